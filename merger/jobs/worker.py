"""The background process: takes one job after the other from its input, tells how they go.

It is started with `python -m merger.jobs.worker` rather than by multiprocessing, whose spawn
would import the app's main module, and with it the whole web interface, a second time.
Messages are lines of JSON both ways.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

from merger.errors import Cancelled, MergeError
from merger.hub.access import Secret
from merger.progress import Progress, Report

Work = Callable[[dict[str, Any], Report, threading.Event], dict[str, Any]]

REPORT_SECONDS = 0.1


class Reporter:
    """Sends progress at most ten times a second, and every last word of a phase."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._sent = 0.0
        self._furthest = 0

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            now = time.monotonic()
            turn = progress.done < self._furthest or progress.done >= progress.total > 0
            self._furthest = progress.done
            if not turn and now - self._sent < REPORT_SECONDS:
                return
            self._sent = now
            self._send(
                {
                    "type": "progress",
                    "done": int(progress.done),
                    "total": int(progress.total),
                    "unit": progress.unit,
                    "note": progress.note,
                }
            )


def main() -> None:
    """Serve jobs until the program that started this one goes away."""
    out = _private_output()
    _be_modest()
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            out.write(json.dumps(message) + "\n")
            out.flush()

    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    cancels: dict[str, threading.Event] = {}
    threading.Thread(target=_listen, args=(orders, cancels), daemon=True).start()
    while True:
        order = orders.get()
        if order["type"] == "warm":
            warm(order["work"])
            continue
        send(run(order, Reporter(send), cancels[order["id"]]))
        cancels.pop(order["id"], None)


def run(order: dict[str, Any], report: Report, cancel: threading.Event) -> dict[str, Any]:
    """Do one job and say how it ended."""
    try:
        payload = order["payload"]
        if "secret" in order:
            # Wrapped at once, so that nothing that prints or keeps it can show it.
            payload["token"] = Secret(order.pop("secret"))
        result = find_work(order["work"])(payload, report, cancel)
        json.dumps(result)
        return {"type": "done", "result": result}
    except Cancelled:
        return {"type": "cancelled"}
    except MergeError as error:
        return {"type": "failed", "error": error.to_json()["error"]}
    except MemoryError as error:
        return {"type": "failed", "error": _error(error, "There is not enough memory for it.")}
    except Exception as error:
        traceback.print_exc()
        said = f"Something broke on our side (job {order['id'][:4]}): {error}"
        return {"type": "failed", "error": _error(error, said)}


def find_work(name: str) -> Work:
    """Return the function that does one kind of job, named as "module:function"."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def warm(name: str) -> None:
    """Import a kind of work ahead of time, and call its module's `warm_up` where it has one."""
    module = import_module(name.partition(":")[0])
    getattr(module, "warm_up", lambda: None)()


def _error(error: Exception, message: str) -> dict[str, str]:
    return {"type": type(error).__name__, "message": message, "hint": "The log has the details."}


def _listen(orders: queue.SimpleQueue, cancels: dict[str, threading.Event]) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if order["type"] == "cancel":
            event = cancels.get(order["id"])
            if event is not None:
                event.set()
        else:
            if order["type"] == "run":
                cancels[order["id"]] = threading.Event()
            orders.put(order)
    # The parent is gone; whoever starts next cleans what lies half-written.
    os._exit(0)


def _private_output() -> TextIO:
    """Keep the pipe for messages, and send whatever libraries print to the log."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _be_modest() -> None:
    """Leave the processor and the memory to the page when both want them."""
    # Ctrl-C in a terminal reaches every process of the group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")


if __name__ == "__main__":
    main()

"""Small kinds of work for the tests; the background process imports them by name."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from merger.errors import SourceError
from merger.progress import Progress, check_cancel

KINDS = {
    name: f"tests.unit.jobs.work:{name}"
    for name in (
        "count",
        "wait_for",
        "stubborn",
        "die",
        "leave",
        "refuse",
        "break_down",
        "modules",
    )
}


def count(payload, report, cancel):
    """Count to `total` and write a file, telling every step."""
    total = payload["total"]
    for done in range(1, total + 1):
        check_cancel(cancel)
        report(Progress(done, total, "steps", f"step {done}"))
    print("libraries print what they like")
    out = Path(payload["folder"]) / "model"
    out.mkdir()
    (out / "a.txt").write_text("x" * total)
    return {"path": str(out), "counted": total}


def wait_for(payload, report, cancel):
    """Report once, then stand still until a file appears or somebody cancels."""
    _half(payload)
    report(Progress(3, 10, "bytes", "half-way"))
    while not Path(payload["until"]).exists():
        check_cancel(cancel)
        time.sleep(0.005)
    return {"pid": os.getpid()}


def stubborn(payload, report, cancel):
    """Never look at the cancel event."""
    _half(payload)
    report(Progress(1, 2, "bytes"))
    time.sleep(60)


def die(payload, report, cancel):
    """Be killed as the kernel does when memory runs out."""
    _half(payload)
    report(Progress(1, 2, "bytes"))
    os.kill(os.getpid(), signal.SIGKILL)


def leave(payload, report, cancel):
    """End the process without a word."""
    os._exit(3)


def refuse(payload, report, cancel):
    """Fail with a message for users."""
    raise SourceError("zoo:nist: there is no such expert.", "Did you mean 'mnist'?")


def break_down(payload, report, cancel):
    """Fail with a mistake of ours."""
    json.loads("{")


def modules(payload, report, cancel):
    """Tell which large libraries this process has loaded."""
    return {"loaded": [m for m in ("gradio", "torch", "plotly") if m in sys.modules]}


def _half(payload):
    (Path(payload["folder"]) / "half.tmp").write_text("half")

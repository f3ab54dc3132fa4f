"""The app's side of the background process: start it, talk to it, notice when it dies."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


class WorkerProcess:
    """A background process that is running, and the messages it sends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: a file in the current folder must not stand in for a library.
            [sys.executable, "-P", "-m", "merger.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            text=True,
            encoding="utf-8",
        )
        self.messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="job worker", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Give the process an order; a dead one is noticed by its silence."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def next_message(self, timeout: float) -> dict[str, Any] | None:
        """Return the next message.

        Raises:
            TimeoutError: Nothing was said in time.
        Returns: None when the process has died.
        """
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def stop(self) -> None:
        """End the process at once."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def reason_of_death(self) -> str:
        """Say why the process ended, as far as the system tells."""
        code = self._process.wait()
        if code == -signal.SIGTERM:
            return "the worker was stopped (signal 15)"
        if code < 0:
            likely = ", probably out of memory" if code == -getattr(signal, "SIGKILL", 9) else ""
            return f"the worker was killed (signal {-code}){likely}"
        return f"the worker stopped with exit code {code}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                self.messages.put(json.loads(line))
        self.messages.put(None)


def _environment() -> dict[str, str]:
    """Let the process import what this one can."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *(path for path in sys.path if path and path != here)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}

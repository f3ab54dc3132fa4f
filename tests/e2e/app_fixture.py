"""Starts the app the way its users do, and speaks the page's language to tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
WAIT = 120_000  # machines are shared; a page that is stuck is stuck for ever


@dataclass(frozen=True)
class App:
    """A running app: where it is and where it keeps things."""

    url: str
    workspace: Path
    process: subprocess.Popen

    def children(self) -> list[int]:
        """Return the ids of its background workers."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line.split(None, 1) for line in listed.stdout.splitlines()]
        return [int(pid) for pid, args in lines if "merger.jobs.worker" in args]


@contextmanager
def running_app(workspace: Path, *arguments: str, threads: int = 1, **more: str) -> Iterator[App]:
    """Run `python app.py` until the block ends.

    With two threads a score costs five times the processor where other work runs beside it: each
    waits for the other in a busy loop. `more` is added to the environment.
    """
    port = free_port()
    env = {
        **os.environ,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(threads),
        **more,
    }
    log = (workspace.parent / f"{workspace.name}.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port), "--workspace", str(workspace), *arguments],
        cwd=ROOT,
        env=env,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(url, process, Path(log.name))
        yield App(url, workspace, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(workspace, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start: {log.read_text()[-2000:]}")


class Desk:
    """One visitor's page, with the words that stories are told in."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, rest: str = "") -> "Desk":
        """Open the page and wait until the first merge is measured."""
        self.page.goto(self.url + rest)
        return self.settled()

    def settled(self) -> "Desk":
        """Wait until what is on screen is measured, not estimated."""
        self.page.wait_for_function("window.Mergescope?.studio?.idle === true", timeout=WAIT)
        return self

    def tab(self, name: str) -> "Desk":
        """Open a tab."""
        self.page.get_by_role("tab", name=name).click()
        self.page.wait_for_timeout(50)
        return self.settled()

    def studio(self, what: str) -> Any:
        """Return a property of the page's state."""
        return self.page.evaluate(f"window.Mergescope.studio.{what}")

    def drawn(self, panel: str) -> Any:
        """Wait until a chart shows the newest answer, and return its traces by name."""
        self.page.wait_for_function(
            f"""() => {{
                const chart = document.querySelector('[data-panel={panel}] .ms-panel__chart');
                return chart && chart.data && chart.clientHeight > 40; }}""",
            timeout=WAIT,
        )
        return self.page.evaluate(
            f"""() => Object.fromEntries(document.querySelector(
                '[data-panel={panel}] .ms-panel__chart').data.map((t) => [t.name,
                {{x: t.x && [...t.x], y: t.y && [...t.y], text: t.text && [...t.text]}}]))"""
        )

    def kpi(self, index: int) -> str:
        """Return the value of a headline tile."""
        return self.page.locator(".ms-kpi__value").nth(index).inner_text()

    def weight(self, index: int, value: float) -> "Desk":
        """Type a coefficient."""
        box = self.page.locator(f"#ms-weight-{index}-number")
        box.fill(str(value))
        box.press("Enter")
        return self.settled()

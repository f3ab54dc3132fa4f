"""Finds a Chromium and starts it quietly; nothing it does may leave this machine."""

from pathlib import Path
from typing import Any

from tests.browser import find_chromium

ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Any) -> Any:
    """Start a browser that keeps nothing."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)


def launch_keeping(playwright: Any, folder: Path) -> Any:
    """Start a browser whose pages share a profile: what is fetched is compiled once for all."""
    return playwright.chromium.launch_persistent_context(
        folder,
        executable_path=find_chromium(),
        args=ARGS,
        viewport={"width": 1280, "height": 900},
    )

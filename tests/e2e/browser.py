"""Finds a Chromium and starts it quietly; nothing it does may leave this machine."""

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
    """Start the browser that the whole test session shares."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)

"""Finds a Chromium and starts it quietly; nothing it does may leave this machine."""

import shutil
from pathlib import Path
from typing import Any

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
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str | None:
    """Return an installed Chromium, or None: then Playwright looks for its own."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((p for p in ("/usr/bin/chromium",) if Path(p).exists()), None)


def launch(playwright: Any) -> Any:
    """Start the browser that the whole test session shares."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)

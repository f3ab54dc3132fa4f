"""Questions about what is visible, asked inside the page (probes.js)."""

from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")


def ask(page: Any, question: str) -> Any:
    """Answer `poorContrast`, `scales`, `cutLabels` or `areas` for the page as it stands."""
    page.evaluate(SOURCE)
    return page.evaluate(f"window.probes.{question}()")

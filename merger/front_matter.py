"""Read the block of settings on top of a model card, written by anybody."""

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 65_536


def read_front_matter(path: Path) -> dict[str, Any]:
    """Return the YAML block that a README begins with; {} where there is none to be trusted."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    if not text.startswith("---\n"):
        return {}
    block, end, _ = text[4:].partition("\n---")
    # A few anchors and aliases can describe more than memory holds; model cards have none.
    if not end or ("&" in block and "*" in block):
        return {}
    try:
        table = yaml.safe_load(block)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}

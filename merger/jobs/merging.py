"""A merge as a background job."""

import threading
from pathlib import Path
from typing import Any

from merger.engine import merge
from merger.outcome import outcome_of
from merger.progress import Report
from merger.recipe import Recipe
from merger.workspace import safe_name


def merge_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Run a real merge into the job's own folder.

    Args:
        payload: `recipe` in its JSON form, `folder` of the job, and, when wished, `name` of
            the model folder, `device`, `threads` and `memory`.
    """
    recipe = Recipe.from_json(payload["recipe"])
    out = Path(payload["folder"]) / safe_name(str(payload.get("name") or recipe.method))
    options = {key: payload[key] for key in ("device", "threads", "memory") if key in payload}
    return outcome_of(merge(recipe, out, report=report, cancel=cancel, **options), recipe)

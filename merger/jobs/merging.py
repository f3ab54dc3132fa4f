"""A merge as a background job."""

import threading
from pathlib import Path
from typing import Any

from merger.engine import merge
from merger.lazy import torch
from merger.outcome import outcome_of
from merger.preflight import preflight
from merger.progress import Report
from merger.recipe import Recipe
from merger.refactor import merge_to_adapter
from merger.workspace import safe_name


def merge_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Look at a recipe, then run the real merge into the job's own folder.

    Args:
        payload: `recipe` in its JSON form, `folder` of the job, and, when wished, `name` of
            the model folder, `base_dir` that relative sources start from, `roots`, the only
            folders whose models a visitor may name, `device`, `threads` and `memory`, or
            `adapter`, the rank of the LoRA adapter to write instead of a model.
    """
    recipe = Recipe.from_json(payload["recipe"])
    out = Path(payload["folder"]) / safe_name(str(payload.get("name") or recipe.method))
    options = {key: payload[key] for key in ("device", "threads", "memory") if key in payload}
    start = payload.get("base_dir")
    base_dir = None if start is None else Path(start)
    roots = [Path(root) for root in payload["roots"]] if "roots" in payload else None
    places: dict[str, Any] = {"base_dir": base_dir, "roots": roots}
    told: list[str] = []
    preflight(recipe, tell=told.append, report=report, cancel=cancel, **places)
    if "adapter" in payload:
        rank = int(payload["adapter"])
        made = merge_to_adapter(recipe, out, rank, report=report, cancel=cancel, **places)
        done = outcome_of(Path(made.path), recipe, **places)
        return done | {"notes": told, "adapter": made.to_json()}
    path = merge(recipe, out, report=report, cancel=cancel, **places, **options)
    return outcome_of(path, recipe, **places) | {"notes": told}


def warm_up() -> None:
    """Load what the first merge would otherwise wait for."""
    torch.empty(0)

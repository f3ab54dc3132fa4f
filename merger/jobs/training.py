"""A merge measured along its experts' training, as a background job."""

import threading
from pathlib import Path
from typing import Any

from merger.jobs.rules import rules_of
from merger.lazy import torch
from merger.live import Place
from merger.progress import Report
from merger.recipe import Recipe
from merger.training import CurveStore, measure_training


def measure_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Measure a curve and keep it step by step, so that the page shows what is there so far.

    Args:
        payload: `recipe` in its JSON form, `digest` of the curve, `curves`, the folder where it
            is kept, and, when wished, `roots` and `granted`, all that a visitor may open.
    """
    recipe = Recipe.from_json(payload["recipe"])
    roots = rules_of(payload)
    folders = () if roots is None else roots.folders
    digest, store = str(payload["digest"]), CurveStore(Path(payload["curves"]))
    info = measure_training(
        recipe,
        place=Place(roots=roots, folders=folders),
        answers=store.folder / "answers",
        report=report,
        cancel=cancel,
        partly=lambda partial: store.put(digest, partial),
    )
    store.put(digest, info)
    store.prune()
    return {"digest": digest, "steps": len(info.steps)}


def warm_up() -> None:
    """Load what the first curve would otherwise wait for."""
    torch.empty(0)

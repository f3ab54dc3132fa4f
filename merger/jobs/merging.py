"""A merge as a background job."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merger.engine import merge
from merger.jobs.rules import rules_of
from merger.lazy import torch
from merger.models import open_models
from merger.outcome import outcome_of
from merger.pace import remember
from merger.preflight import preflight
from merger.progress import Report
from merger.recipe import Recipe
from merger.refactor import merge_to_adapter
from merger.selftest import self_test, written_models
from merger.workspace import safe_name


def merge_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Look at a recipe, then run the real merge into the job's own folder.

    Args:
        payload: `recipe` in its JSON form, `folder` of the job, and, when wished, `name` of
            the model folder, `base_dir` that relative sources start from, `roots` and `granted`,
            all that a visitor may open (`rules_of`), `pace`, the file that remembers how long
            merges take, `device`, `threads` and `memory`, `scores`,
            what the merge scored, and `check`, whether to test the result; or `adapter`, the
            rank of the LoRA adapter to write instead of a model.
    """
    recipe = Recipe.from_json(payload["recipe"])
    out = Path(payload["folder"]) / safe_name(str(payload.get("name") or recipe.method))
    options = {key: payload[key] for key in ("device", "threads", "memory") if key in payload}
    start = payload.get("base_dir")
    base_dir = None if start is None else Path(start)
    places: dict[str, Any] = {"base_dir": base_dir, "roots": rules_of(payload)}
    told: list[str] = []
    looked = preflight(recipe, tell=told.append, report=report, cancel=cancel, **places)
    if "adapter" in payload:
        rank = int(payload["adapter"])
        made = merge_to_adapter(recipe, out, rank, report=report, cancel=cancel, **places)
        done = outcome_of(Path(made.path), recipe, **places)
        return done | {"notes": told, "adapter": made.to_json()}
    scores = _own_scores(payload.get("scores"), recipe, places)
    began = time.perf_counter()
    said: list[str] = []
    path = merge(
        recipe, out, report=report, cancel=cancel, scores=scores, tell=said.append,
        **places, **options,
    )  # fmt: skip
    if "pace" in payload:
        taken = time.perf_counter() - began
        remember(Path(payload["pace"]), recipe.method, looked.rough_seconds, taken)
    notes = {"notes": told + [f"note: {line}" for line in said], "afterwards": said}
    done = outcome_of(path, recipe, **places) | notes
    if not payload.get("check"):
        return done
    return done | {"check": [_checked(f, report, cancel, places) for f in written_models(path)]}


def _own_scores(
    scores: Mapping[str, Any] | None, recipe: Recipe, places: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return scores that are those of this very merge; a page may hold those of an older one."""
    if scores is None or scores.get("digest") != open_models(recipe, **places).digest:
        return None
    return scores


def _checked(
    folder: Path, report: Report, cancel: threading.Event, places: Mapping[str, Any]
) -> dict[str, Any]:
    found = self_test(folder, report=report, cancel=cancel, **places)
    return {"name": folder.name} | found.to_json()


def warm_up() -> None:
    """Load what the first merge would otherwise wait for."""
    torch.empty(0)

"""The headline numbers, each with what changed against the pin."""

from typing import Any

import numpy as np

from merger.spec import METHODS
from merger.stack import Stack
from merger.storage import Stored, bits_in_words
from viz.figures.words import percent, plain_number, points, signed
from viz.scene import NO_BASE, Scene
from viz.scores import Scores


def kpis(scene: Scene) -> list[dict[str, Any]]:
    """Return the four tiles."""
    return [_mean(scene), _worst(scene), _cancelled(scene), _norm(scene)]


def _mean(scene: Scene) -> dict[str, Any]:
    tile: dict[str, Any] = {
        "label": "Mean normalised score",
        "tooltip": "Each task's score as a share of its own expert's best, averaged over tasks. "
        "100% would be as good as all the experts at once.",
    }
    scores = scene.scores
    if scores is None or not np.isfinite(scores.mean):
        return tile | {"value": "–", "note": _why(scene)}
    pinned = scene.pin.scores if scene.pin else None
    delta = None
    if pinned is not None:
        change = scores.mean_change
        sees = change is not None and change.sees_difference
        delta = _points(scores.mean - pinned.mean, sees)
    return tile | _kind(scores) | {"value": percent(scores.mean), "delta": delta}


def _worst(scene: Scene) -> dict[str, Any]:
    tile: dict[str, Any] = {
        "label": "Worst task",
        "tooltip": "The task that lost most against its own expert, and what is left of it.",
    }
    scores = scene.scores
    if scores is None or scores.worst is None:
        return tile | {"value": "–", "note": _why(scene)}
    i = scores.worst
    value = float(scores.normalised[i])
    pinned = scene.pin.scores if scene.pin else None
    delta = None
    if pinned is not None and pinned.worst is not None:
        change = value - float(pinned.normalised[pinned.worst])
        # A worst task that got worse is the new one's doing, one that got better the old one's.
        mover = i if change < 0 else pinned.worst
        sees = scores.change is not None and scores.change[mover].sees_difference
        delta = _points(change, sees)
    kind = _kind(scores) | {"n": int(scores.n[i])}
    note = scores.tasks[i].title
    if pinned is not None and pinned.worst not in (None, i):
        note += f" (pin: {scores.tasks[pinned.worst].title})"
    return tile | kind | {"value": percent(value), "note": note, "delta": delta}


def _cancelled(scene: Scene) -> dict[str, Any]:
    tile: dict[str, Any] = {
        "label": "Cancelled mass",
        "tooltip": "Share of all weighted change that is lost as experts pull the same weight "
        "in opposite directions. Chance is what random signs on the same magnitudes would give.",
    }
    if scene.measures is None:
        return tile | {"value": "–", "note": NO_BASE[0]}
    mass = scene.cancelled.mass
    value, null, half = float(mass.value), float(mass.null), float(mass.half)
    if not np.isfinite(value):
        return tile | {"value": "–", "note": "All coefficients are 0."}
    words = (
        "as random signs" if abs(value - null) <= half else ("more" if value > null else "less")
    )
    chance = f"chance {percent(null)}" + ("" if words == "as random signs" else f", {words}")
    delta = None
    if scene.pin and scene.pin.cancelled is not None:
        before = float(scene.pin.cancelled.mass.value)
        if np.isfinite(before):
            delta = _points(before - value, True, upside_down=True)
    return (
        tile
        | _looked_at(scene.measures.stack)
        | {
            "value": percent(value),
            "note": f"{chance} · {_which(scene.measures.stack)}",
            "delta": delta,
        }
    )


def _stored(stored: Stored, title: str, n: int) -> dict[str, Any]:
    """Return the tile of a method that gives one model per expert instead of one for all."""
    small = min(stored.bits, stored.full)
    return {
        "label": f"Stored, {n} models",
        "tooltip": f"{title} gives one model per expert, and each task is answered by its own. It "
        f"stores {stored.words}; numbers take 32 bits.",
        "value": bits_in_words(small),
        "note": f"instead of {bits_in_words(stored.full)} in full; one model per expert: "
        f"{stored.words}",
    }


def _norm(scene: Scene) -> dict[str, Any]:
    merged = scene.merged
    if merged is not None and merged.storage is not None:
        title = METHODS[scene.recipe.method].title
        return _stored(merged.storage, title, len(scene.recipe.experts))
    tile: dict[str, Any] = {
        "label": "‖merged τ‖ / mean ‖τ‖",
        "tooltip": "How far the merged model moved from the base, as a multiple of how far the "
        "experts moved on average.",
    }
    if scene.measures is None:
        return tile | {"value": "–", "note": NO_BASE[0]}
    if scene.merged is None or scene.merged.flat is None:
        return tile | {"value": "–", "note": scene.merged.why if scene.merged else ""}
    share = scene.norms.merged_share
    if not np.isfinite(share):
        return tile | {"value": "–", "note": "The experts equal the base."}
    delta = None
    if scene.pin and scene.pin.norms is not None:
        change = share - scene.pin.norms.merged_share
        delta = _delta(change, f"{signed(change)} vs. pin", good=None)
    return (
        tile
        | _looked_at(scene.measures.stack)
        | {
            "value": f"{plain_number(share)}×",
            "note": _which(scene.measures.stack),
            "delta": delta,
        }
    )


def _looked_at(stack: Stack) -> dict[str, Any]:
    return {"kind": "measured" if stack.sample is None else "estimated"}


def _which(stack: Stack) -> str:
    if stack.sample is None:
        return f"all {stack.parameters:,} weights"
    return f"{percent(stack.sample, 2)} of {stack.parameters:,} weights"


def _why(scene: Scene) -> str:
    return scene.missing or scene.family.missing or "not known yet"


def _kind(scores: Scores) -> dict[str, Any]:
    kind = "measured" if scores.measured else "estimated"
    return {"kind": kind, "n": int(scores.n.sum()), "split": scores.split}


def _points(change: float, sees: bool, upside_down: bool = False) -> dict[str, Any]:
    if not sees:
        return {"direction": "same", "words": "no difference seen vs. pin"}
    shown = -change if upside_down else change
    return _delta(shown, f"{points(shown)} vs. pin", good=change > 0)


def _delta(change: float, words: str, good: bool | None) -> dict[str, Any]:
    if abs(change) < 5e-4:
        return {"direction": "same", "words": "as the pin"}
    out: dict[str, Any] = {"direction": "up" if change > 0 else "down", "words": words}
    return out if good is None else out | {"good": good}

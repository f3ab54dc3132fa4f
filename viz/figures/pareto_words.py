"""What is said of scored merges: numbers with their unit, the caption, what to see."""

from typing import Any

import numpy as np

from merger.search.objective import Measured, Objective
from merger.search.pareto import ParetoInfo
from viz.figures.words import percent, plain_number

ROWS = 200


def number(value: float, objective: Objective) -> str:
    """Return a value of an objective as people read it."""
    if not np.isfinite(value):
        return "–"
    if objective.unit == "share":
        return percent(value)
    if objective.unit == "bytes":
        size, unit = (value / 1e9, "GB") if value >= 1e9 else (value / 1e6, "MB")
        return f"{size:.3g} {unit}"
    return plain_number(value, 4 if objective.unit == "bits_per_byte" else 3)


def interval(measured: Measured, objective: Objective) -> str:
    """Return a value with its interval, where it has one."""
    said = number(measured.value, objective)
    if measured.low == measured.high:
        return said
    return f"{said} ({number(measured.low, objective)} to {number(measured.high, objective)})"


def meta_of(info: ParetoInfo) -> dict[str, Any]:
    """Return the words of the figure."""
    meta = {
        "title": "Which merges does no other beat?",
        "look": _look(info),
        "caption": _caption(info),
        "alt": _look(info),
        "kind": "measured",
        "split": info.split,
    }
    n = sorted(set(info.cloud.n.tolist()))
    return meta | ({"n": n[0]} if len(n) == 1 and n[0] else {})


def _caption(info: ParetoInfo) -> str:
    drawn = "Each dot: one fully scored merge; point at it for its recipe, click to go there."
    if info.split == "test":
        drawn += (
            " Shown at their TEST values; the front is the one that validation chose, "
            "so it need not be an edge here."
        )
    else:
        drawn += " Cross: this merge, with its 95% intervals."
    if info.knee is not None:
        drawn += (
            " Knee: the front's farthest point above the line between its ends, both axes "
            "counted as shares of what the front spans."
        )
    if info.cloud.hidden:
        what = "test score" if info.split == "test" else "value on one of these axes"
        drawn += f" Without a {what}, not shown: {info.cloud.hidden:,}."
    return drawn


def _look(info: ParetoInfo) -> str:
    cloud = info.cloud
    count, best = len(cloud.digests), int(cloud.on_front.sum())
    whose = f" of {info.method}" if info.method else ""
    if not count:
        return (
            f"No merge{whose} is scored here yet. Let the sliders rest for a moment, "
            'or press "Explore 64".'
        )
    merges = f"{count:,} merges{whose}" if count > 1 else f"1 merge{whose}"
    first = f"{best} of {merges} {'is' if best == 1 else 'are'} on the front, on validation."
    return " ".join([first, *_standing(info)])


def _standing(info: ParetoInfo) -> list[str]:
    said = []
    here, cloud = info.current, info.cloud
    if here is not None and here.measured:
        senses = np.array([info.x.higher_is_better, info.y.higher_is_better])
        turn = np.where(senses, 1.0, -1.0)
        mine = turn * (here.x.value, here.y.value)
        theirs = turn * np.stack([cloud.x[:, 0], cloud.y[:, 0]], 1)
        better = int(((theirs >= mine).all(1) & (theirs > mine).any(1)).sum())
        said.append(
            "This merge is on it." if not better
            else f"{better:,} beat{'s' if better == 1 else ''} this merge on both axes."
        )  # fmt: skip
    if np.isfinite(cloud.volume) and info.split == "validation" and _both_share(info):
        said.append(f"Area between front and base: {plain_number(cloud.volume, 4)}.")
    return said


def _both_share(info: ParetoInfo) -> bool:
    return info.x.unit == info.y.unit == "share"


def table_of(info: ParetoInfo) -> dict[str, Any]:
    """Return the front and what it is compared with; all merges are in the table below."""
    columns = [
        "model",
        *(f"{o.title}{end}" for o in (info.x, info.y) for end in ("", " low", " high")),
    ]
    cloud = info.cloud
    best = np.flatnonzero(cloud.on_front)[:ROWS]
    rows: list[list[Any]] = [
        [cloud.words[i], *map(float, cloud.x[i]), *map(float, cloud.y[i])] for i in best
    ]
    marks = [m for m in (info.current, info.pin, info.base, *info.experts) if m is not None]
    rows += [[m.name, *m.x[:3], *m.y[:3]] for m in marks]
    return {"columns": columns, "rows": rows}

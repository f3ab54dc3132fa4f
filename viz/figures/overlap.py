"""Do the experts change the same weights: overlap of their largest changes."""

from typing import Any

import numpy as np

from merger.diagnostics.overlap import OverlapInfo
from viz.figures.figure import Figure, Values, nice_limit, patch
from viz.figures.matrix import draw_matrix, matrix_values
from viz.figures.words import against_chance, best_pair, beyond, estimated, marked, percent

STEPS = (0.1, 0.2, 0.5, 1.0)


def draw_overlap(info: OverlapInfo) -> Figure:
    """Draw the Jaccard overlap of every pair of supports, against chance."""
    off = np.where(np.eye(len(info.experts)), 0, np.maximum(info.jaccard.value, info.jaccard.null))
    limit = nice_limit(off, STEPS)
    ticks = {0.0: "0% shared", limit: f"{percent(limit, 0)} shared"}
    return draw_matrix(
        info.experts, _values(info), _meta(info),
        scale="@sequential", limits=(0.0, limit), ticks=ticks,
    )  # fmt: skip


def patch_overlap(info: OverlapInfo) -> dict[str, Any]:
    """Move the overlaps; colours keep their range."""
    return patch(_values(info), _meta(info))


def _parts(info: OverlapInfo, i: int, j: int) -> tuple[float, float, float]:
    rate = info.jaccard
    return float(rate.value[i, j]), float(rate.null[i, j]), float(rate.half[i, j])


def _values(info: OverlapInfo) -> Values:
    def text(i: int, j: int) -> str:
        return marked(percent(_parts(info, i, j)[0], 0), beyond(*_parts(info, i, j)))

    def hover(i: int, j: int) -> list[str]:
        parts = _parts(info, i, j)
        width = float(info.half_width[i, j])
        about = f" ± {percent(width)}" if width > 0 else ""
        return [f"overlap {percent(parts[0])}{about}", against_chance(*parts)]

    return matrix_values(info.experts, info.jaccard.value, text, hover)


def _meta(info: OverlapInfo) -> dict[str, Any]:
    names = info.experts
    each = "of each tensor" if info.scope == "tensor" else "of the model"
    drawn = (
        f"Take the {percent(info.share, _digits(info.share))} {each} that every expert changes "
        "most: how much of two such sets is shared. ▲ is more than chance, ▼ is less."
    )
    rows = [
        [names[i], names[j], *_parts(info, i, j)]
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    look = _look(info)
    return {
        "title": "Do they change the same weights?",
        "look": look,
        "caption": f"{drawn}{estimated(info.sample)}",
        "alt": look,
        "table": {
            "columns": ["expert", "expert", "overlap", "chance", "± (95% of chance)"],
            "rows": rows,
        },
    }


def _digits(share: float) -> int:
    return 0 if abs(100 * share - round(100 * share)) < 1e-9 else 1


def _look(info: OverlapInfo) -> str:
    at = best_pair(info.jaccard.value)
    if at is None:
        return "It takes two experts and a share above 0 to overlap."
    a, b = (info.experts[i] for i in at)
    parts = _parts(info, *at)
    return f"{a} and {b} share most: {percent(parts[0])}, {against_chance(*parts)}."

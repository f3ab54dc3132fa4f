"""Which experts pull together: cosines of task vectors."""

from typing import Any

import numpy as np

from merger.diagnostics.cosine import CosineInfo
from viz.figures.figure import Figure, Values, nice_limit, patch
from viz.figures.matrix import draw_matrix, matrix_values
from viz.figures.words import best_pair, plain_number

STEPS = (0.2, 0.5, 1.0)  # never narrower: cosines near 0 must look like no relation
NEAR_ZERO = 0.05


def draw_cosine(info: CosineInfo) -> Figure:
    """Draw the cosine of every pair of task vectors."""
    limit = nice_limit(np.where(np.eye(len(info.experts)), 0, info.cosine), STEPS)
    ticks = {
        -limit: f"apart {plain_number(-limit)}",
        0.0: "unrelated",
        limit: f"{plain_number(limit)} together",
    }
    return draw_matrix(
        info.experts, _values(info), _meta(info),
        scale="@diverging", limits=(-limit, limit), ticks=ticks, lines=1,
    )  # fmt: skip


def patch_cosine(info: CosineInfo) -> dict[str, Any]:
    """Move the cosines; colours keep their range."""
    return patch(_values(info), _meta(info))


def _values(info: CosineInfo) -> Values:
    def hover(i: int, j: int) -> list[str]:
        width = info.half_width[i, j]
        about = f" ± {plain_number(width, 3)}" if width > 0 else ""
        return [f"cosine {plain_number(info.cosine[i, j], 3)}{about}"]

    return matrix_values(
        info.experts, info.cosine, lambda i, j: plain_number(info.cosine[i, j]), hover
    )


def _meta(info: CosineInfo) -> dict[str, Any]:
    names = info.experts
    drawn = (
        "Cosine between the task vectors of two experts. Blue pairs pull the weights together, "
        "orange pairs pull them apart, pale pairs are unrelated."
    )
    rows = [
        [names[i], names[j], float(info.cosine[i, j])]
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    look = _look(info)
    return {
        "title": "Do the experts point the same way?",
        "look": look,
        "caption": drawn,
        "alt": look,
        "table": {"columns": ["expert", "expert", "cosine"], "rows": rows},
    }


def _look(info: CosineInfo) -> str:
    high, low = best_pair(info.cosine), best_pair(info.cosine, largest=False)
    if high is None or low is None:
        return "It takes two experts that differ from the base to compare directions."

    def pair(at: tuple[int, int]) -> str:
        a, b = (info.experts[i] for i in at)
        return f"{a} and {b}"

    top, bottom = info.cosine[high], info.cosine[low]
    if max(abs(top), abs(bottom)) < NEAR_ZERO:
        largest = high if abs(top) >= abs(bottom) else low
        value = plain_number(info.cosine[largest])
        return f"All pairs are nearly unrelated; the largest is {pair(largest)} ({value})."
    first = f"{pair(high)} are most alike ({plain_number(top)})"
    if high == low:
        return f"{pair(high)} have a cosine of {plain_number(top)}."
    verb = "pull apart most" if bottom < 0 else "are least alike"
    return f"{first}; {pair(low)} {verb} ({plain_number(bottom)})."

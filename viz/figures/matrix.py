"""One square per pair of experts: the shape that cosine, conflict and overlap share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from viz.figures.figure import Figure, Values, build, labelled
from viz.figures.words import short
from viz.theme import CELL

CELLS = "pairs"
MOST_TEXT = 10  # more rows than this, and numbers in cells cannot be read
HEAD = 84  # pixels for labels above and the colour bar below
LETTER = 7  # pixels, on the safe side


def matrix_values(
    names: Sequence[str],
    table: np.ndarray,
    text: Callable[[int, int], str],
    hover: Callable[[int, int], Sequence[str]],
) -> Values:
    """Return what a matrix holds: colours, numbers in cells, and what hovering says."""
    n = len(names)
    shown = np.where(np.eye(n, dtype=bool), np.nan, table)
    cells = [[i != j and np.isfinite(table[i, j]) for j in range(n)] for i in range(n)]
    words = [[text(i, j) if cells[i][j] else "" for j in range(n)] for i in range(n)]
    data = [
        [
            [f"{names[i]} / {names[j]}", f"{names[i]} and {names[j]}", *hover(i, j)]
            for j in range(n)
        ]
        for i in range(n)
    ]
    few = n <= MOST_TEXT
    return {CELLS: {"z": shown, "customdata": data} | ({"text": words} if few else {})}


def draw_matrix(
    names: Sequence[str],
    values: Values,
    meta: Mapping[str, Any],
    *,
    scale: str,
    limits: tuple[float, float],
    ticks: Mapping[float, str],
    reverse: bool = False,
    lines: int = 2,
) -> Figure:
    """Draw a matrix whose colour range is fixed by `limits`.

    Args:
        names: Experts, down and across.
        values: From `matrix_values`.
        meta: Words; the height is added here.
        scale: Colour scale token.
        limits: Values at the two ends of the scale.
        ticks: Words at places of the colour bar.
        reverse: Turn the scale round.
        lines: How many lines the hover has below its title.
    """
    n = len(names)
    style = {
        "type": "heatmap",
        "name": CELLS,
        "x": list(range(n)),
        "y": list(range(n)),
        "colorscale": scale,
        "reversescale": reverse,
        "zmin": limits[0],
        "zmax": limits[1],
        "colorbar": bar(ticks),
        "hovertemplate": hover_template(lines),
        **({"texttemplate": "%{text}"} if n <= MOST_TEXT else {}),
        "textfont": {"size": CELL, "color": "@cell-text"},
    }
    labels = [short(name) for name in names]
    layout = {
        "xaxis": labelled(labels, side="top"),
        "yaxis": labelled(labels, range=[n - 0.5, -0.5]),
    }
    height = HEAD + max(2, n) * row_height(n)
    shape = {"height": height, "link": "pairs", "experts": list(names), "narrow": narrow(labels)}
    return build([style], values, layout, {**meta, **shape})


def narrow(labels: Sequence[str]) -> dict[str, Any]:
    """Return what changes where the columns are too narrow for names: numbers stand for them."""
    longest = max((len(label) for label in labels), default=0)
    numbers = [str(i + 1) for i in range(len(labels))]
    numbered = [f"{label}  {number}" for label, number in zip(labels, numbers, strict=True)]
    return {
        "below": LETTER * longest + 30 + len(labels) * (LETTER * longest + 8),
        "layout": {"xaxis": {"ticktext": numbers}, "yaxis": {"ticktext": numbered}},
    }


def row_height(rows: int) -> int:
    """Return the pixels a row gets: enough for a number where there are few, slim where many."""
    return 46 if rows <= MOST_TEXT else 18


def bar(ticks: Mapping[float, str]) -> dict[str, Any]:
    """Return a slim colour bar below the chart, with words at its ends."""
    return {
        "orientation": "h", "x": 0.5, "xanchor": "center", "y": 0, "yanchor": "top", "len": 0.75,
        "thickness": 8, "ypad": 12, "tickmode": "array", "tickvals": list(ticks),
        "ticktext": list(ticks.values()), "ticklabeloverflow": "allow", "tickfont": {"size": 11},
    }  # fmt: skip


def hover_template(lines: int) -> str:
    """Return a hover of a title and so many lines; entry 0 is what a click sends."""
    rows = "".join(f"<br>%{{customdata[{i + 2}]}}" for i in range(lines))
    return f"<b>%{{customdata[1]}}</b>{rows}<extra></extra>"

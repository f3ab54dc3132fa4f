"""One row per model that was asked: the shape that answers to images and to texts share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from viz.figures.figure import Figure, Values, axis, build, labelled
from viz.figures.matrix import bar, hover_template
from viz.figures.words import short
from viz.theme import CELL

ROWS = "answers"
MOST_TEXT = 12  # more columns than this, and numbers in cells cannot be read
HEAD = 104
NAMES = 110  # pixels for the models' names
LETTER = 8  # pixels, on the safe side


def row_values(
    table: np.ndarray, words: Sequence[Sequence[str]], hover: Sequence[Sequence[Sequence[str]]]
) -> Values:
    """Return what the rows hold: colours, numbers in cells, and what hovering says.

    Args:
        table: Numbers, (models, columns); NaN where a model has none.
        words: What stands in each cell.
        hover: Title and lines of each cell.
    """
    known = np.isfinite(table)
    data = [
        [[lines[0], *lines] if known[i, j] else None for j, lines in enumerate(row)]
        for i, row in enumerate(hover)
    ]
    return {ROWS: {"z": table, "customdata": data, "text": [list(row) for row in words]}}


def draw_rows(
    names: Sequence[str],
    columns: Sequence[str],
    values: Values,
    meta: Mapping[str, Any],
    *,
    top: float,
    ticks: Mapping[float, str],
    title: str,
) -> Figure:
    """Draw one row per model; darker is more.

    Args:
        names: The models.
        columns: A label for each column.
        values: From `row_values`.
        meta: Words; height and links are added here.
        top: Value at the end of the colour scale, which starts at 0.
        ticks: Words at places of the colour bar.
        title: What the columns are.
    """
    style = {
        "type": "heatmap",
        "name": ROWS,
        "x": list(range(len(columns))),
        "y": list(range(len(names))),
        "colorscale": "@sequential",
        "zmin": 0.0,
        "zmax": top,
        "colorbar": bar(ticks),
        "hovertemplate": hover_template(2),
        **({"texttemplate": "%{text}"} if len(columns) <= MOST_TEXT else {}),
        "textfont": {"size": CELL, "color": "@cell-text"},
    }
    layout = {
        "xaxis": _columns(columns, title),
        "yaxis": labelled([short(name, 14) for name in names], range=[len(names) - 0.5, -0.5]),
    }
    height = HEAD + 30 * max(2, len(names))
    shape = {"height": height, "link": "rows", "experts": list(names), "narrow": _narrow(columns)}
    return build([style], values, layout, {**meta, **shape})


def _columns(columns: Sequence[str], title: str) -> dict[str, Any]:
    """Return an axis with every label where there is room, else with the columns counted."""
    if max(len(c) for c in columns) * len(columns) <= 72:
        return labelled(columns, title, side="top")
    if len(columns) <= MOST_TEXT:
        return labelled([short(c, 9) for c in columns], title, side="top")
    shown = {"range": [-0.5, len(columns) - 0.5], "nticks": 9, "showgrid": False}
    return axis(title, side="top", **shown)


def _narrow(columns: Sequence[str]) -> dict[str, Any]:
    """Return what changes where labels would lie on each other: their first letters, or none."""
    letters = max(len(c) for c in columns)
    few = len(columns) <= MOST_TEXT
    shown = [c[:3] for c in columns] if few else []
    below = NAMES + len(columns) * (LETTER * min(letters, 9) + 6)
    return {
        "below": below,
        "layout": {"xaxis": {"tickvals": list(range(len(shown))), "ticktext": shown}},
    }

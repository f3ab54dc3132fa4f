"""One rectangle per layer and kind of module: the shape of conflict and cancelled mass."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merger.diagnostics.grid import OUTSIDE, Grid
from merger.diagnostics.signs import Rate
from viz.figures.figure import Figure, Values, build, labelled, nice_limit
from viz.figures.matrix import bar, hover_template
from viz.figures.words import against_chance, beyond, marked, percent, plain_number, short
from viz.theme import CELL

CELLS = "cells"
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
ROOM = 10  # more columns than this, and numbers in cells cannot be read
NARROW = 5  # up to so many columns fit into half the page
TICKS = 9
HEAD = 96


def cell_values(grid: Grid, rate: Rate, what: str) -> Values:
    """Return what a layer × module map holds; colour is the distance from chance."""
    rows, columns = grid.shape
    known = np.isfinite(rate.value)
    data = [
        [_data(grid, rate, what, i, j) if known[i, j] else None for j in range(columns)]
        for i in range(rows)
    ]
    out: dict[str, Any] = {"z": rate.value - rate.null, "customdata": data}
    if columns <= ROOM:
        out["text"] = [
            [_text(rate, i, j) if known[i, j] else "" for j in range(columns)] for i in range(rows)
        ]
    return {CELLS: out}


def draw_cells(grid: Grid, rate: Rate, values: Values, meta: Mapping[str, Any]) -> Figure:
    """Draw a layer × module map; orange is more than chance, blue is less."""
    rows, columns = grid.shape
    limit = nice_limit(rate.value - rate.null, STEPS)
    few = columns <= ROOM
    style = {
        "type": "heatmap",
        "name": CELLS,
        "x": list(range(columns)),
        "y": list(range(rows)),
        "colorscale": "@diverging",
        "reversescale": True,
        "zmin": -limit,
        "zmax": limit,
        "colorbar": bar(
            {
                -limit: f"{plain_number(100 * limit, 0)} points less",
                0.0: "chance",
                limit: f"{plain_number(100 * limit, 0)} points more",
            }
        ),
        "hovertemplate": hover_template(3),
        **({"texttemplate": "%{text}"} if few else {}),
        "textfont": {"size": CELL, "color": "@cell-text"},
    }
    layout = {
        "xaxis": labelled(grid.layers, _layer_title(grid), side="top", **_thinned(grid)),
        "yaxis": labelled([short(m, 14) for m in grid.modules], range=[rows - 0.5, -0.5]),
    }
    height = HEAD + max(2, rows) * (32 if few else 24)
    shape = {"height": height, "wide": columns > NARROW, "link": "cells", "clickable": True}
    return build([style], values, layout, {**meta, **shape})


def cell_table(grid: Grid, rate: Rate, what: str) -> dict[str, Any]:
    """Return the map as a table, one row per cell."""
    rows = [
        [grid.layers[j], grid.modules[i], *(float(x[i, j]) for x in _parts(rate))]
        for j in range(grid.shape[1])
        for i in range(grid.shape[0])
        if np.isfinite(rate.value[i, j])
    ]
    return {"columns": ["layer", "module", what, "chance", "± (95% of chance)"], "rows": rows}


def cell_gaps(grid: Grid, rate: Rate) -> str:
    """Return what empty cells mean, when tensors that nobody changed are among them."""
    idle = [
        bool(keys) and not np.isfinite(rate.value[i, j])
        for i, row in enumerate(grid.keys)
        for j, keys in enumerate(row)
    ]
    return " Empty cells hold no tensor, or one that no expert changed." if any(idle) else ""


def cell_name(grid: Grid, at: tuple[int, int]) -> str:
    """Return how to call a cell in a sentence."""
    row, column = at
    layer = grid.layers[column]
    place = "outside the layers" if layer == OUTSIDE else f"in layer {layer}"
    return f"{grid.modules[row]} {place}"


def extreme_cell(rate: Rate) -> tuple[int, int] | None:
    """Return the cell that lies furthest above chance, or None when no cell is beyond it."""
    excess = np.where(np.isfinite(rate.excess), rate.excess, 0.0)
    if not excess.size or excess.max() <= 0:
        return None
    row, column = divmod(int(excess.argmax()), excess.shape[1])
    return row, column


def look_at_cells(grid: Grid, rate: Rate, what: str) -> str:
    """Return one sentence on what to look for in a map."""
    known = np.isfinite(rate.value)
    if not known.any():
        return "There is nothing to compare: no expert differs from the base here."
    at = extreme_cell(rate)
    if at is None:
        below = int((rate.excess[known] < 0).sum())
        return (
            f"No cell shows more {what} than random signs would; "
            f"{below} of {int(known.sum())} show less."
        )
    above = int((rate.excess[known] > 0).sum())
    value, null, half = (float(x[at]) for x in _parts(rate))
    return (
        f"{cell_name(grid, at)} stands out most: {percent(value)}, "
        f"{against_chance(value, null, half)}; {above} of {int(known.sum())} cells lie above "
        "chance."
    )


def _parts(rate: Rate) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rate.value, rate.null, rate.half


def _data(grid: Grid, rate: Rate, what: str, i: int, j: int) -> list[str]:
    value, null, half = (float(x[i, j]) for x in _parts(rate))
    keys = grid.keys[i][j]
    others = len(keys) - 1
    more = f" and {others} more" if others else ""
    return [
        keys[0],
        cell_name(grid, (i, j)),
        f"{what} {percent(value)}",
        against_chance(value, null, half),
        f"{keys[0]}{more}",
    ]


def _text(rate: Rate, i: int, j: int) -> str:
    value, null, half = (float(x[i, j]) for x in _parts(rate))
    return marked(percent(value), beyond(value, null, half))


def _layer_title(grid: Grid) -> str:
    return "layer (out: outside the layers)" if OUTSIDE in grid.layers else "layer"


def _thinned(grid: Grid) -> dict[str, Any]:
    """Return ticks that never touch: all labels, or about nine of them and the outside one."""
    columns = len(grid.layers)
    if columns <= TICKS + 3:
        return {}
    step = -(-columns // TICKS)
    first = 1 if grid.layers[0] == OUTSIDE else 0
    places = [0, *range(first + step, columns, step)]
    return {"tickvals": places, "ticktext": [grid.layers[i] for i in places]}

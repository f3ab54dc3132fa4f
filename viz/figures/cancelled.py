"""How much of the experts' change the chosen coefficients lose, by layer and module."""

from typing import Any

from merger.diagnostics.cancelled import CancelledInfo
from viz.figures.cells import cell_gaps, cell_table, cell_values, draw_cells, look_at_cells
from viz.figures.figure import Figure, Values, patch
from viz.figures.words import against_chance, estimated, percent


def draw_cancelled(info: CancelledInfo) -> Figure:
    """Draw cancelled mass by layer and module, against random signs."""
    return draw_cells(info.grid, info.cells, _values(info), _meta(info))


def patch_cancelled(info: CancelledInfo) -> dict[str, Any]:
    """Move the map; colours keep their range."""
    return patch(_values(info), _meta(info))


def _values(info: CancelledInfo) -> Values:
    return cell_values(info.grid, info.cells, "cancelled")


def _meta(info: CancelledInfo) -> dict[str, Any]:
    value, null, half = (float(x) for x in (info.mass.value, info.mass.null, info.mass.half))
    drawn = (
        "Share of the weighted change that experts take from each other, by layer and module. "
        "Orange is more than random signs would lose, blue is less."
    )
    whole = f"Whole model: {percent(value)}, {against_chance(value, null, half)}."
    look = look_at_cells(info.grid, info.cells, "loss")
    return {
        "title": "How much do the experts cancel?",
        "look": f"{whole} {look}",
        "caption": f"{drawn}{cell_gaps(info.grid, info.cells)}{estimated(info.sample)}",
        "alt": f"{whole} {look}",
        "table": cell_table(info.grid, info.cells, "cancelled mass"),
    }

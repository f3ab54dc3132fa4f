"""Where experts pull weights in opposite directions, by layer and module, and pair by pair."""

from typing import Any, Literal

from merger.diagnostics.signs import Rate, SignsInfo
from viz.figures.cells import cell_gaps, cell_table, cell_values, draw_cells, look_at_cells
from viz.figures.figure import Figure, Values, nice_limit, patch
from viz.figures.matrix import draw_matrix, matrix_values
from viz.figures.words import (
    against_chance,
    best_pair,
    beyond,
    estimated,
    marked,
    percent,
    plain_number,
)

By = Literal["mass", "count"]
PairBy = Literal["joint", "count"]
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def draw_conflict(info: SignsInfo, by: By = "mass") -> Figure:
    """Draw sign conflict by layer and module, against random signs.

    Args:
        info: The measure.
        by: Whether every weight counts alike, or as much as the experts change it.
    """
    rate = _cells(info, by)
    return draw_cells(info.grid, rate, _conflict_values(info, by), _conflict_meta(info, by))


def patch_conflict(info: SignsInfo, by: By = "mass") -> dict[str, Any]:
    """Move the map; colours keep their range."""
    return patch(_conflict_values(info, by), _conflict_meta(info, by))


def draw_pairs(info: SignsInfo, by: PairBy = "joint") -> Figure:
    """Draw sign conflict of every pair of experts, against random signs.

    Args:
        info: The measure.
        by: Whether every weight counts alike, or by the product of both changes.
    """
    rate = _pairs(info, by)
    limit = nice_limit(rate.value - rate.null, STEPS)
    ticks = {
        -limit: f"{plain_number(100 * limit, 0)} points less",
        0.0: "chance",
        limit: f"{plain_number(100 * limit, 0)} points more",
    }
    return draw_matrix(
        info.experts, _pair_values(info, by), _pair_meta(info, by),
        scale="@diverging", limits=(-limit, limit), ticks=ticks, reverse=True,
    )  # fmt: skip


def patch_pairs(info: SignsInfo, by: PairBy = "joint") -> dict[str, Any]:
    """Move the pairs; colours keep their range."""
    return patch(_pair_values(info, by), _pair_meta(info, by))


def _cells(info: SignsInfo, by: By) -> Rate:
    return info.cell_mass if by == "mass" else info.cells


def _pairs(info: SignsInfo, by: PairBy) -> Rate:
    return info.joint if by == "joint" else info.pairwise


def _conflict_values(info: SignsInfo, by: By) -> Values:
    return cell_values(info.grid, _cells(info, by), "sign conflict")


def _conflict_meta(info: SignsInfo, by: By) -> dict[str, Any]:
    rate, total = _cells(info, by), info.mass if by == "mass" else info.rate
    counted = "Share of the experts' change" if by == "mass" else "Share of the changed weights"
    drawn = (
        f"{counted} that lies where they disagree in sign, by layer and module. Orange is more "
        "conflict than random signs would give, blue is less."
    )
    value, null, half = float(total.value), float(total.null), float(total.half)
    whole = f"Whole model: {percent(value)}, {against_chance(value, null, half)}."
    look = look_at_cells(info.grid, rate, "conflict")
    return {
        "title": "Where do the experts disagree?",
        "look": f"{whole} {look}",
        "caption": f"{drawn}{cell_gaps(info.grid, rate)}{estimated(info.sample)}",
        "alt": f"{whole} {look}",
        "table": cell_table(info.grid, rate, "sign conflict"),
    }


def _pair_values(info: SignsInfo, by: PairBy) -> Values:
    rate = _pairs(info, by)

    def parts(i: int, j: int) -> tuple[float, float, float]:
        return float(rate.value[i, j]), float(rate.null[i, j]), float(rate.half[i, j])

    def text(i: int, j: int) -> str:
        return marked(percent(parts(i, j)[0], 0), beyond(*parts(i, j)))

    def hover(i: int, j: int) -> list[str]:
        return [f"sign conflict {percent(parts(i, j)[0])}", against_chance(*parts(i, j))]

    return matrix_values(info.experts, rate.value - rate.null, text, hover)


def _pair_meta(info: SignsInfo, by: PairBy) -> dict[str, Any]:
    rate, names = _pairs(info, by), info.experts
    counted = (
        "each weight counting by how much both experts change it"
        if by == "joint"
        else "each changed weight counting alike"
    )
    drawn = (
        f"How often two experts move a weight in opposite directions, {counted}. ▲ is more than "
        "random signs would, ▼ is less."
    )
    rows = [
        [names[i], names[j], *(float(x[i, j]) for x in (rate.value, rate.null, rate.half))]
        for i in range(len(names))
        for j in range(i + 1, len(names))
    ]
    look = _pair_look(info, rate)
    return {
        "title": "Which experts conflict?",
        "look": look,
        "caption": f"{drawn}{estimated(info.sample)}",
        "alt": look,
        "table": {
            "columns": ["expert", "expert", "sign conflict", "chance", "± (95% of chance)"],
            "rows": rows,
        },
    }


def _pair_look(info: SignsInfo, rate: Rate) -> str:
    at = best_pair(rate.value - rate.null)
    if at is None:
        return "It takes two experts that differ from the base to conflict."
    a, b = (info.experts[i] for i in at)
    value, null, half = float(rate.value[at]), float(rate.null[at]), float(rate.half[at])
    if value - null > half:
        return f"{a} and {b} conflict most: {percent(value)}, {against_chance(value, null, half)}."
    return (
        f"No pair conflicts more than chance; {a} and {b} come closest with {percent(value)}, "
        f"{against_chance(value, null, half)}."
    )

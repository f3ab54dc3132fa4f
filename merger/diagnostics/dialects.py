"""How far the same recipe lands from itself under another implementation's defaults."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merger.diagnostics.grid import Grid, grid_of, ratio
from merger.diagnostics.norms import squares_by_slot
from merger.info import Info
from merger.stack import Stack


@dataclass(frozen=True, eq=False)
class DialectsInfo(Info):
    """Merges of one recipe under several dialects, compared with the chosen one.

    Args:
        method: The method's title.
        chosen: The dialect of the recipe.
        dialects: The others.
        settings: Names of the settings that a dialect decides.
        values: What each setting is, in words, by dialect, the chosen one first.
        whole: ‖Δ − Δ of the chosen one‖ / ‖Δ of the chosen one‖ by dialect, shape (d,); NaN where
            a dialect gives no merge, or the chosen one changes nothing.
        layers: "out", then the layers' numbers.
        by_layer: The same by dialect and layer, shape (d, layers).
        notes: Why a dialect gives no merge, by dialect; empty where it does.
    """

    method: str
    chosen: str
    dialects: tuple[str, ...]
    settings: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    whole: np.ndarray
    layers: tuple[str, ...]
    by_layer: np.ndarray
    notes: tuple[str, ...]


def measure_dialects(
    stack: Stack,
    method: str,
    chosen: tuple[str, np.ndarray],
    others: Mapping[str, np.ndarray | str],
    settings: Mapping[str, tuple[str, ...]] | None = None,
    grid: Grid | None = None,
) -> DialectsInfo:
    """Compare the updates of one recipe under several dialects.

    Args:
        stack: The task vectors, whole.
        method: The method's title.
        chosen: The recipe's dialect and its merged weights, flat in the stack's order, (P,).
        others: The other dialects' merged weights, or why there are none.
        settings: What a dialect decides: the values in words, the chosen dialect's first.
        grid: The layer × module table when it is at hand already.
    """
    grid = grid or grid_of(stack.slots)
    name, mine = chosen
    size = squares_by_slot(stack, mine, stack.base)
    whole = np.full(len(others), np.nan)
    by_layer = np.full((len(others), len(grid.layers)), np.nan)
    for i, merged in enumerate(others.values()):
        if not isinstance(merged, str):
            off = squares_by_slot(stack, merged, mine)
            whole[i] = np.sqrt(ratio(off.sum(), size.sum()))
            by_layer[i] = np.sqrt(ratio(grid.by_layer(off), grid.by_layer(size)))
    known = settings or {}
    values = tuple(tuple(row) for row in zip(*known.values(), strict=True))
    notes = tuple(why if isinstance(why, str) else "" for why in others.values())
    return DialectsInfo(
        method, name, tuple(others), tuple(known), values, whole, grid.layers, by_layer, notes
    )

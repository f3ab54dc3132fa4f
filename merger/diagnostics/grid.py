"""Sort a model's tensors into a table: kinds of module down, layers across."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.info import Info
from merger.places import module_order
from merger.stack import Slot

OUTSIDE = "out"  # the column of tensors outside the layers: embeddings, final norm, head


@dataclass(frozen=True, eq=False)
class Grid(Info):
    """Which tensors share a cell of the layer × module table.

    Args:
        layers: Column names: "out", then the layers' numbers.
        modules: Row names, in the order data passes them.
        keys: Tensor names of each cell, largest tensor first, row by row.
        cells: For each slot of the stack, its cell's flat number.
    """

    layers: tuple[str, ...]
    modules: tuple[str, ...]
    keys: tuple[tuple[tuple[str, ...], ...], ...]
    cells: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of rows and columns."""
        return len(self.modules), len(self.layers)

    def gather(self, per_slot: np.ndarray) -> np.ndarray:
        """Add numbers of slots up to numbers of cells, shape (modules, layers)."""
        count = len(self.modules) * len(self.layers)
        sums = np.bincount(self.cells, weights=per_slot, minlength=count)
        return sums.reshape(self.shape)

    def by_layer(self, per_slot: np.ndarray) -> np.ndarray:
        """Add numbers of slots up to one number per layer."""
        return self.gather(per_slot).sum(0)


def grid_of(slots: Sequence[Slot]) -> Grid:
    """Return the table in which these tensors have their places."""
    numbers = sorted({s.layer for s in slots if s.layer is not None})
    columns: list[int | None] = [None] if any(s.layer is None for s in slots) else []
    columns += numbers
    modules = sorted({s.module for s in slots}, key=module_order)
    row = {module: i for i, module in enumerate(modules)}
    column = {layer: i for i, layer in enumerate(columns)}
    cells = np.array([row[s.module] * len(columns) + column[s.layer] for s in slots], np.int64)
    inside: list[list[Slot]] = [[] for _ in range(len(modules) * len(columns))]
    for slot, cell in zip(slots, cells, strict=True):
        inside[cell].append(slot)
    names = [
        tuple(s.key for s in sorted(group, key=lambda s: (-s.numel, s.key))) for group in inside
    ]
    width = len(columns)
    keys = tuple(tuple(names[i : i + width]) for i in range(0, len(names), width))
    labels = tuple(OUTSIDE if c is None else str(c) for c in columns)
    return Grid(labels, tuple(modules), keys, cells)


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Divide, NaN where there is nothing to divide by."""
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return np.divide(
        top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=bottom > 0
    )

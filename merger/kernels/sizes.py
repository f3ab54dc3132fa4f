"""Compiled sums over one expert's changes in lanes, as `algebra.l1` and `sum_of_squares` add."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from merger.algebra import CHUNK, LANES
from merger.kernels.picks import change, drop

ONE = np.float32(1.0)
Flags = Callable[[int, int], np.ndarray]


@njit(nogil=True, cache=True, boundscheck=False)
def _add_magnitudes(row: Any, flags: Any, whole: Any, left: Any) -> None:
    full = len(row) // LANES * LANES
    for start in range(0, full, LANES):
        few, kept = row[start : start + LANES], flags[start : start + LANES]
        for lane in range(LANES):
            size = np.float64(abs(few[lane]))
            whole[lane] += size
            left[lane] += size if kept[lane] else 0.0
    for lane in range(len(row) - full):
        size = np.float64(abs(row[full + lane]))
        whole[lane] += size
        left[lane] += size if flags[full + lane] else 0.0


@njit(nogil=True, cache=True, boundscheck=False)
def _chunks_of_magnitudes(row: Any, flags: Any, whole: Any, left: Any) -> None:
    for chunk in range(len(whole)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(row)))
        _add_magnitudes(row[few], flags[few], whole[chunk], left[chunk])


@njit(nogil=True, cache=True, boundscheck=False)
def _add_squares(row: Any, lanes: Any) -> None:
    lanes[:] = 0.0
    full = len(row) // LANES * LANES
    for start in range(0, full, LANES):
        few = row[start : start + LANES]
        for lane in range(LANES):
            value = np.float64(few[lane])
            lanes[lane] += value * value
    for lane in range(len(row) - full):
        value = np.float64(row[full + lane])
        lanes[lane] += value * value


def magnitudes(row: np.ndarray, flags: np.ndarray) -> list[tuple[float, float]]:
    """Return the sums of magnitudes of each chunk: of all its entries, and of flagged ones."""
    whole, left = np.zeros((2, -(-len(row) // CHUNK), LANES))
    _chunks_of_magnitudes(row, flags, whole, left)
    sums = np.add.reduce(whole, axis=1).tolist(), np.add.reduce(left, axis=1).tolist()
    return list(zip(*sums, strict=True))


def sum_of_squares(
    expert: np.ndarray, base: np.ndarray, weight: float, flags: Flags | None = None
) -> float:
    """Return the sum of squares of (expert − base) × weight; see `algebra.sum_of_squares`.

    Args:
        expert: Its entries as they are stored.
        base: The base's.
        weight: What changes are multiplied by.
        flags: Gives 1 for entries that count and 0 for others, from one place to another.
    """
    found, lanes = 0.0, np.empty(LANES)
    row = np.empty(min(CHUNK, len(base)), np.float32)
    for start in range(0, len(base), CHUNK):
        part = slice(start, start + CHUNK)
        put = row[: len(base[part])]
        if flags is None:
            change(expert[part], base[part], np.float32(weight), put)
        else:
            kept = flags(start, start + len(put))
            drop(expert[part], base[part], np.float32(weight), kept, ONE, ONE, put)
        _add_squares(put, lanes)
        found += float(np.add.reduce(lanes))
    return found

"""Compiled sums over one expert's changes in lanes, as `algebra.l1` and `sum_of_squares` add."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from merger.algebra import CHUNK, LANES
from merger.kernels.bits import widen
from merger.kernels.picks import change, drop

ONE = np.float32(1.0)
Flags = Callable[[int, int], np.ndarray]


@njit(nogil=True, cache=True, boundscheck=False)
def _add_magnitudes(
    expert: Any, base: Any, weight: Any, flags: Any, whole: Any, left: Any
) -> None:  # fmt: skip
    full = len(base) // LANES * LANES
    for start in range(0, full, LANES):
        these, those = expert[start : start + LANES], base[start : start + LANES]
        kept = flags[start : start + LANES]
        for lane in range(LANES):
            change = np.float32(widen(these[lane]) - widen(those[lane])) * weight
            size = np.float64(abs(change))
            whole[lane] += size
            left[lane] += size if kept[lane] else 0.0
    for lane in range(len(base) - full):
        change = np.float32(widen(expert[full + lane]) - widen(base[full + lane])) * weight
        size = np.float64(abs(change))
        whole[lane] += size
        left[lane] += size if flags[full + lane] else 0.0


@njit(nogil=True, cache=True, boundscheck=False)
def _chunks_of_magnitudes(
    expert: Any, base: Any, weight: Any, flags: Any, whole: Any, left: Any
) -> None:  # fmt: skip
    for chunk in range(len(whole)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(base)))
        _add_magnitudes(expert[few], base[few], weight, flags[few], whole[chunk], left[chunk])


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


def magnitudes(
    expert: np.ndarray, base: np.ndarray, weight: float, flags: np.ndarray
) -> list[tuple[float, float]]:
    """Return sums of |(expert − base) × weight| by chunk: of all entries, and of flagged ones."""
    whole, left = np.zeros((2, -(-len(base) // CHUNK), LANES))
    _chunks_of_magnitudes(expert, base, np.float32(weight), flags, whole, left)
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

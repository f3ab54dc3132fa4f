"""Compiled sums over one expert's changes in lanes, as `algebra.l1` and `sum_of_squares` add."""

from typing import Any

import numpy as np
from numba import njit

from merger.algebra import CHUNK, LANES
from merger.kernels.picks import change


@njit(nogil=True, cache=True, boundscheck=False)
def _add_magnitudes(row: Any, flags: Any, whole: Any, left: Any) -> None:
    whole[:] = 0.0
    left[:] = 0.0
    for start in range(0, len(row), LANES):
        for lane in range(min(LANES, len(row) - start)):
            size = np.float64(abs(row[start + lane]))
            whole[lane] += size
            left[lane] += size if flags[start + lane] else 0.0


@njit(nogil=True, cache=True, boundscheck=False)
def _add_squares(row: Any, lanes: Any) -> None:
    lanes[:] = 0.0
    for start in range(0, len(row), LANES):
        for lane in range(min(LANES, len(row) - start)):
            value = np.float64(row[start + lane])
            lanes[lane] += value * value


def magnitudes(row: np.ndarray, flags: np.ndarray) -> tuple[float, float]:
    """Return the sums of magnitudes of one chunk: of all its entries, and of flagged ones."""
    assert len(row) <= CHUNK
    whole, left = np.empty(LANES), np.empty(LANES)
    _add_magnitudes(row, flags, whole, left)
    return float(np.add.reduce(whole)), float(np.add.reduce(left))


def sum_of_squares(expert: np.ndarray, base: np.ndarray, weight: float) -> float:
    """Return the sum of squares of (expert − base) × weight; see `algebra.sum_of_squares`."""
    found, lanes = 0.0, np.empty(LANES)
    row = np.empty(min(CHUNK, len(base)), np.float32)
    for start in range(0, len(base), CHUNK):
        part = slice(start, start + CHUNK)
        put = row[: len(base[part])]
        change(expert[part], base[part], np.float32(weight), put)
        _add_squares(put, lanes)
        found += float(np.add.reduce(lanes))
    return found

"""Compiled variance over experts, as `methods/sce.py` takes it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from merger.kernels.loop import loop
from merger.kernels.picks import change

ZERO = np.float32(0.0)


@loop
def _add_distance(row: Any, first: Any, middle: Any) -> None:
    for i in range(len(row)):
        middle[i] += row[i] - first[i]


@loop
def _divide(row: Any, count: Any) -> None:
    for i in range(len(row)):
        row[i] /= count


@loop
def _add_square(row: Any, first: Any, middle: Any, out: Any) -> None:
    for i in range(len(row)):
        away = (row[i] - first[i]) - middle[i]
        out[i] += away * away


def variance(
    experts: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]
) -> np.ndarray:
    """Return the variance over experts of (expert − base) × weight, float32."""
    rows = np.empty((len(experts), len(base)), np.float32)
    for row, expert, weight in zip(rows, experts, weights, strict=True):
        change(expert, base, np.float32(weight), row)
    middle, found = np.zeros((2, len(base)), np.float32)
    count = np.float32(len(rows))
    for row in rows:
        _add_distance(row, rows[0], middle)
    _divide(middle, count)
    for row in rows:
        _add_square(row, rows[0], middle, found)
    _divide(found, count)
    return found

"""Compiled loops for inner products of experts, or of their changes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from merger.kernels.bits import WORST, exponent_of, widen
from merger.kernels.few_products import MOST, chunks_of_products
from merger.kernels.loop import contracted, loop
from merger.products import add_lanes, lanes_of, padded
from merger.sums import CHUNK, LANES

FEW = 4 * LANES
# Entries in one call: their lanes, of all chunks, take a few hundred kilobytes.
PART = 16 * CHUNK


@loop
def _put_weights(row: Any, expert: Any) -> Any:
    worst = np.uint32(0)
    for i in range(len(expert)):
        value = widen(expert[i])
        worst = max(worst, exponent_of(value))
        row[i] = value
    return worst


@loop
def _put_changes(row: Any, expert: Any, base: Any) -> Any:
    worst = np.uint32(0)
    for i in range(len(expert)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(start)))
        # A difference is rounded to float32, as everywhere else.
        row[i] = np.float32(value - start)
    return worst


@contracted
def _multiply(rows: Any, lanes: Any) -> None:
    lanes[:] = 0.0
    whole = rows.shape[1] // FEW * FEW
    # A few entries of all rows at a time, which stay in the fastest cache.
    for first in range(0, whole, FEW):
        pair = 0
        for i in range(len(rows)):
            left = rows[i, first : first + FEW]
            for j in range(i, len(rows)):
                right, out = rows[j, first : first + FEW], lanes[pair]
                for lane in range(LANES):
                    # Four products are added up in a register.
                    total = out[lane]
                    total += np.float64(left[lane]) * np.float64(right[lane])
                    total += np.float64(left[LANES + lane]) * np.float64(right[LANES + lane])
                    total += np.float64(left[2 * LANES + lane]) * np.float64(
                        right[2 * LANES + lane]
                    )
                    total += np.float64(left[3 * LANES + lane]) * np.float64(
                        right[3 * LANES + lane]
                    )
                    out[lane] = total
                pair += 1
    for first in range(whole, rows.shape[1], LANES):
        pair = 0
        for i in range(len(rows)):
            left = rows[i, first : first + LANES]
            for j in range(i, len(rows)):
                right, out = rows[j, first : first + LANES], lanes[pair]
                for lane in range(LANES):
                    out[lane] += np.float64(left[lane]) * np.float64(right[lane])
                pair += 1


def add_products(
    products: np.ndarray, experts: Sequence[np.ndarray], base: np.ndarray | None
) -> bool:
    """Add inner products of stored experts, or of their changes; see `products.add_products`.

    Args:
        products: (n, n), float64.
        experts: Their entries as they are stored, all in one dtype.
        base: The base's entries, where changes are multiplied.
    Returns:
        Whether every number met was finite; if not, nothing was added.
    """
    found = products.copy()
    add = _add_few if 2 <= len(experts) <= MOST else _add_many
    # What is not finite shows in the product with itself.
    with np.errstate(invalid="ignore"):
        is_finite = add(found, experts, base) and bool(np.isfinite(found).all())
    if is_finite:
        products[:] = found
    return is_finite


def _add_few(products: np.ndarray, experts: Sequence[np.ndarray], base: np.ndarray | None) -> bool:
    upper = np.triu_indices(len(experts))
    total = products[upper]
    for start in range(0, len(experts[0]), PART):
        part = slice(start, start + PART)
        rows = [expert[part] for expert in experts]
        for chunk in chunks_of_products(rows, None if base is None else base[part]):
            total += chunk
    products[upper] = total
    products.T[upper] = total
    return True


def _add_many(
    products: np.ndarray, experts: Sequence[np.ndarray], base: np.ndarray | None
) -> bool:
    lanes, rows = lanes_of(len(experts)), np.zeros((len(experts), CHUNK), np.float32)
    for start in range(0, len(experts[0]), CHUNK):
        part = slice(start, start + CHUNK)
        length = len(experts[0][part])
        rows[:, length : padded(length)] = 0.0
        worst = 0
        for row, expert in zip(rows, experts, strict=True):
            put = row[:length]
            if base is None:
                worst = max(worst, _put_weights(put, expert[part]))
            else:
                worst = max(worst, _put_changes(put, expert[part], base[part]))
        if worst >= WORST:
            return False
        _multiply(rows[:, : padded(length)], lanes)
        add_lanes(products, lanes)
    return True

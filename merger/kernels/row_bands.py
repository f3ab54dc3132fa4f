"""Compiled bands of rows: the changes below the largest of a row and above the small ones."""

from typing import Any

import numpy as np

from merger.kernels.bits import bits_of, exponent_of, widen
from merger.kernels.counting import UNSIGNED
from merger.kernels.loop import loop

ZERO, ONE = np.float32(0.0), np.uint32(1)
# Magnitudes of 31 bits are counted by their upper 11 bits; those of one bin are put in order.
SHIFT = np.uint32(20)
BINS = 1 << 11
EVERY, NONE = np.uint32(0), np.uint32(0xFFFF_FFFF)


@loop
def _cut(row: Any, counts: Any, top: int, near: Any, k: int) -> tuple[Any, int]:
    """Return the least of the k largest of a row, and up to which index equal ones belong to them.

    Args:
        row: Magnitudes as uint32.
        counts: How often each upper 11 bits occur.
        top: The highest of them that occurs.
        near: Room for the row, overwritten.
        k: How many.
    """
    if k <= 0:
        return NONE, len(row)
    if k >= len(row):
        return EVERY, len(row)
    left = k
    while counts[top] < left:
        left -= counts[top]
        top -= 1
    filled = 0
    for i in range(len(row)):
        if row[i] >> SHIFT == np.uint32(top):
            near[filled] = row[i]
            filled += 1
    few = near[:filled]
    few.sort()
    bits = few[filled - left]
    for i in range(filled - left, filled):
        left -= few[i] > bits
    for i in range(len(row)):
        if row[i] == bits:
            left -= 1
            if left == 0:
                return bits, i
    return bits, len(row)


@loop
def _keep(row: Any, low: Any, high: Any, kept: Any) -> None:
    for i in range(len(row)):
        value = kept[i]
        kept[i] = value if (row[i] >= low) & (row[i] < high) else ZERO


@loop
def _keep_band(row: Any, low: Any, low_last: int, high: Any, high_last: int, kept: Any) -> None:
    # Up to its index a cut counts equal ones among the larger, behind it not.
    near, far = min(low_last, high_last) + 1, max(low_last, high_last) + 1
    _keep(row[:near], low, high, kept[:near])
    if low_last < high_last:
        _keep(row[near:far], low + ONE, high, kept[near:far])
    else:
        _keep(row[near:far], low, high + ONE, kept[near:far])
    _keep(row[far:], low + ONE, high + ONE, kept[far:])


@loop
def _read(expert: Any, base: Any, weight: Any, row: Any, kept: Any) -> Any:
    worst = np.uint32(0)
    for i in range(len(row)):
        begin, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(begin)))
        found = np.float32(value - begin)
        row[i] = bits_of(found) & UNSIGNED
        kept[i] = found * weight
    return worst


@loop
def band_rows(
    expert: Any, base: Any, weight: Any, columns: int, first: int, last: int, kept: Any
) -> Any:
    """Keep of each row the changes of ranks first to last, the largest being 0; weigh them.

    Of equal ones the first comes first. Coefficients do not change the ranks.

    Args:
        expert: Whole rows as they are stored.
        base: The base's.
        weight: What changes are multiplied by.
        columns: Entries of a row.
        first: The first rank that is kept.
        last: The first one after it that is not.
        kept: Overwritten.
    Returns: the largest exponent met.
    """
    worst = np.uint32(0)
    row, near = np.empty(columns, np.uint32), np.empty(columns, np.uint32)
    counts = np.empty(BINS, np.int32)
    for start in range(0, len(kept), columns):
        stop = start + columns
        here = kept[start:stop]
        worst = max(worst, _read(expert[start:stop], base[start:stop], weight, row, here))
        counts[:] = 0
        for i in range(columns):
            counts[row[i] >> SHIFT] += 1
        top = BINS - 1
        while counts[top] == 0:
            top -= 1
        low, low_last = _cut(row, counts, top, near, last)
        high, high_last = _cut(row, counts, top, near, first)
        _keep_band(row, low, low_last, high, high_last, here)
    return worst

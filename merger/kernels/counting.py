"""Compiled loops that find exact cuts: how often each upper and lower half of a magnitude occurs.

A magnitude is the bit pattern of |expert − base| in float32, a monotone integer of 31 bits. Loops
that only compute go first and leave their results in a row, loops that look places up go over the
row: so the first kind takes many entries at a time.
"""

from typing import Any

import numpy as np

from merger.kernels.bits import bits_of, widen
from merger.kernels.loop import loop

UNSIGNED = np.uint32(0x7FFF_FFFF)
HALF = np.uint32(16)
LOWER = np.uint32(0xFFFF)
# So many magnitudes are looked at together, and one by one only if one of them is wanted.
GROUP = 32


@loop
def magnitudes(expert: Any, base: Any, row: Any) -> None:
    """Write the magnitudes of an expert's changes into a row of uint32."""
    for i in range(len(row)):
        row[i] = bits_of(np.float32(widen(expert[i]) - widen(base[i]))) & UNSIGNED


@loop
def count_high(row: Any, counts: Any) -> None:
    """Count upper halves into int64 counts of length 2^15."""
    for i in range(len(row)):
        counts[row[i] >> HALF] += 1


@loop
def count_low(row: Any, high: Any, counts: Any) -> None:
    """Count lower halves of magnitudes with this upper half, into counts of length 2^16."""
    whole = len(row) // GROUP * GROUP
    for start in range(0, whole, GROUP):
        group = row[start : start + GROUP]
        met = False
        for i in range(GROUP):
            met |= group[i] >> HALF == high
        if met:
            for i in range(GROUP):
                if group[i] >> HALF == high:
                    counts[group[i] & LOWER] += 1
    for i in range(whole, len(row)):
        if row[i] >> HALF == high:
            counts[row[i] & LOWER] += 1


@loop
def find_equal(row: Any, wanted: Any, left: int) -> tuple[int, int]:
    """Return the index of the `left`-th such magnitude or -1, and how many are left."""
    for i in range(len(row)):
        if row[i] == wanted:
            left -= 1
            if left == 0:
                return i, 0
    return -1, left

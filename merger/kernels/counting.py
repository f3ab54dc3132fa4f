"""Compiled loops that find exact cuts: how often each upper and lower half of a magnitude occurs.

A magnitude is the bit pattern of |expert − base| in float32, a monotone integer of 31 bits.
"""

from typing import Any

import numpy as np
from numba import njit

from merger.kernels.bits import bits_of, widen

UNSIGNED = np.uint32(0x7FFF_FFFF)


@njit(nogil=True, cache=True, boundscheck=False)
def count_high(expert: Any, base: Any, counts: Any) -> None:
    """Count upper halves into int64 counts of length 2^15."""
    for i in range(len(expert)):
        bits = bits_of(np.float32(widen(expert[i]) - widen(base[i]))) & UNSIGNED
        counts[bits >> np.uint32(16)] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def count_low(expert: Any, base: Any, high: Any, counts: Any) -> None:
    """Count lower halves of magnitudes with this upper half, into counts of length 2^16."""
    for i in range(len(expert)):
        bits = bits_of(np.float32(widen(expert[i]) - widen(base[i]))) & UNSIGNED
        if bits >> np.uint32(16) == high:
            counts[bits & np.uint32(0xFFFF)] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def find_equal(expert: Any, base: Any, wanted: Any, left: int) -> tuple[int, int]:
    """Return the index of the `left`-th magnitude with these bits or -1, and how many are left."""
    for i in range(len(expert)):
        bits = bits_of(np.float32(widen(expert[i]) - widen(base[i]))) & UNSIGNED
        if bits == wanted:
            left -= 1
            if left == 0:
                return i, 0
    return -1, left

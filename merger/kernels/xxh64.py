"""The compiled loop of a fast checksum: XXH64, over whole stripes of 32 bytes."""

from typing import Any

import numpy as np
from numba import njit

ONE = np.uint64(0x9E3779B185EBCA87)
TWO = np.uint64(0xC2B2AE3D27D4EB4F)
LEFT = np.uint64(31)
RIGHT = np.uint64(33)


@njit(nogil=True, cache=True, boundscheck=False)
def add_stripes(lanes: Any, words: Any) -> None:
    """Take 64-bit words, four at a time, into the four lanes of a checksum.

    Args:
        lanes: uint64, (4,); changed in place.
        words: uint64, in the order of the file; a multiple of four of them.
    """
    a, b, c, d = lanes[0], lanes[1], lanes[2], lanes[3]
    for i in range(0, len(words) - 3, 4):
        a += words[i] * TWO
        b += words[i + 1] * TWO
        c += words[i + 2] * TWO
        d += words[i + 3] * TWO
        a = ((a << LEFT) | (a >> RIGHT)) * ONE
        b = ((b << LEFT) | (b >> RIGHT)) * ONE
        c = ((c << LEFT) | (c >> RIGHT)) * ONE
        d = ((d << LEFT) | (d >> RIGHT)) * ONE
    lanes[0], lanes[1], lanes[2], lanes[3] = a, b, c, d

"""Which entries of a tensor count, a bit each."""

from collections.abc import Iterable

import numpy as np

# A byte holds the flags of so many entries.
PACK = 8
# Flags of one tensor that take more bytes are drawn again where they are needed again.
HELD_FLAGS = 1 << 27
# Variances of a tensor of up to so many entries are held; of longer ones they are taken anew.
HELD_SPREADS = 1 << 24


def pack(parts: Iterable[tuple[int, np.ndarray]], length: int) -> np.ndarray:
    """Return the flags of a tensor in bits.

    Args:
        parts: Each with the place of its first flag, a multiple of 8.
        length: How many flags there are.
    """
    found = np.empty(-(-length // PACK), np.uint8)
    for start, flags in parts:
        at = start // PACK
        found[at : at - (-len(flags) // PACK)] = np.packbits(flags, bitorder="little")
    return found


def unpack(packed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return flags start to stop, a byte each."""
    few = packed[start // PACK : -(-stop // PACK)]
    skip = start % PACK
    return np.unpackbits(few, bitorder="little")[skip : skip + stop - start]

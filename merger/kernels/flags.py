"""Which entries of a tensor count, a bit for each expert."""

import numpy as np

# Experts that one loop holds in registers.
AT_ONCE = 4
# A byte holds the flags of so many entries.
PACK = 8
# Flags of one tensor that take more bytes are drawn again where they are needed again.
HELD_FLAGS = 1 << 27
# Variances of a tensor of up to so many entries are held; of longer ones they are taken anew.
HELD_SPREADS = 1 << 24


def put(packed: np.ndarray, start: int, flags: np.ndarray) -> None:
    """Put the flags of a part of a tensor, which begins at a multiple of 8, in bits."""
    at = start // PACK
    packed[at : at - (-len(flags) // PACK)] = np.packbits(flags, bitorder="little")


def unpack(packed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return flags start to stop, a byte each."""
    few = packed[start // PACK : -(-stop // PACK)]
    skip = start % PACK
    return np.unpackbits(few, bitorder="little")[skip : skip + stop - start]

"""Which entries of a tensor count, a bit each."""

from typing import Any

import numpy as np

from merger.kernels.loop import loop

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


@loop
def _spread(packed: Any, marks: Any) -> None:
    # A byte eight times, of which each keeps another bit: that bit decides whether 127 more reach
    # the highest bit.
    copies, picks = np.uint64(0x0101010101010101), np.uint64(0x8040201008040201)
    rest, high = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
    for k in range(len(packed)):
        down, row = np.uint64(7 - k), packed[k]
        for i in range(len(row)):
            one_each = (np.uint64(row[i]) * copies) & picks
            found = ((one_each + rest) & high) >> down
            marks[i] = found if k == 0 else marks[i] | found


def marks_of(packed: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return a byte for each entry from start to stop, with bit k for row k of up to eight."""
    few = packed[:, start // PACK : -(-stop // PACK)]
    found = np.empty(few.shape[1], "<u8")
    _spread(few, found)
    skip = start % PACK
    return found.view(np.uint8)[skip : skip + stop - start]

"""The flags of up to eight experts as one byte for each entry, which compiled loops read."""

from typing import Any

import numpy as np

from merger.kernels.flags import PACK
from merger.kernels.loop import loop


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
    found = np.empty(few.shape[1], np.uint64)
    _spread(few, found)
    skip = start % PACK
    return found.view(np.uint8)[skip : skip + stop - start]

"""Gather the magnitudes near a cut, and where they are, while all of them pass by."""

from typing import Any

import numpy as np
from numba import njit

# So many magnitudes are looked at together, and one by one only if one of them is near.
GROUP = 64
FAR = np.uint32(0xFFFF_FFFF)
ZERO, ONE = np.uint32(0), np.uint32(1)


@njit(nogil=True, cache=True, boundscheck=False)
def gather(
    row: Any, low: Any, span: Any, first: int, bits: Any, places: Any, filled: int
) -> tuple[Any, Any]:
    """Append the magnitudes from `low` to `low + span`, and where they are.

    Args:
        row: Bit patterns of magnitudes, uint32.
        low: The smallest that is wanted.
        span: How far above it others are wanted.
        first: The place of the row's first one.
        bits: Appended to, as far as there is room.
        places: Appended to.
        filled: How many there are already.
    Returns: how many there would be if there were room for all, and how many of the row are not
        below `low`.
    """
    whole = len(row) // GROUP * GROUP
    reached = 0
    for start in range(0, whole, GROUP):
        group = row[start : start + GROUP]
        near, over = FAR, ZERO
        for i in range(GROUP):
            near = min(near, np.uint32(group[i] - low))
            over += ONE if group[i] >= low else ZERO
        reached += over
        if near <= span:
            for i in range(GROUP):
                if np.uint32(group[i] - low) <= span:
                    if filled < len(bits):
                        bits[filled], places[filled] = group[i], first + start + i
                    filled += 1
    for i in range(whole, len(row)):
        reached += row[i] >= low
        if np.uint32(row[i] - low) <= span:
            if filled < len(bits):
                bits[filled], places[filled] = row[i], first + i
            filled += 1
    return filled, reached


class Near:
    """The magnitudes in some neighbouring bins of upper halves, and where they are.

    Args:
        first: The lowest bin.
        last: The highest bin.
        room: How many magnitudes there may be.
    """

    def __init__(self, first: int, last: int, room: int) -> None:
        self._low = np.uint32(first << 16)
        self._span = np.uint32(((last - first + 1) << 16) - 1)
        # What is not filled takes no memory.
        self._bits = np.empty(room, np.uint32)
        self._places = np.empty(room, np.int64)
        self._filled = self._reached = 0

    def look(self, row: np.ndarray, first: int) -> None:
        """Take what is near in a row; `first` is the place of its first magnitude."""
        self._filled, reached = gather(
            row, self._low, self._span, first, self._bits, self._places, self._filled
        )
        self._reached += reached

    @property
    def is_full(self) -> bool:
        """Whether there was no room for some."""
        return self._filled > len(self._bits)

    @property
    def above(self) -> int:
        """How many lay above these bins."""
        return self._reached - self._filled

    @property
    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """The magnitudes and where they are, in the order they were met."""
        return self._bits[: self._filled], self._places[: self._filled]

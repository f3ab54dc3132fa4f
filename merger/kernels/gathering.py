"""Gather the magnitudes near a cut, and where they are, while all of them pass by."""

from typing import Any

import numpy as np
from numba import njit

# So many magnitudes are looked at together, and one by one only if one of them is near.
GROUP = 64
FAR = np.uint32(0xFFFF_FFFF)


@njit(nogil=True, cache=True, boundscheck=False)
def gather(
    row: Any, low: Any, span: Any, first: int, bits: Any, places: Any, filled: int
) -> int:  # fmt: skip
    """Append the magnitudes from `low` to `low + span`, and where they are.

    Args:
        row: Bit patterns of magnitudes, uint32.
        low: The smallest that is wanted.
        span: How far above it others are wanted.
        first: The place of the row's first one.
        bits: Appended to, as far as there is room.
        places: Appended to.
        filled: How many there are already.
    Returns: how many there would be if there were room for all.
    """
    whole = len(row) // GROUP * GROUP
    for start in range(0, whole, GROUP):
        group = row[start : start + GROUP]
        near = FAR
        for i in range(GROUP):
            near = min(near, np.uint32(group[i] - low))
        if near <= span:
            for i in range(GROUP):
                if np.uint32(group[i] - low) <= span:
                    if filled < len(bits):
                        bits[filled], places[filled] = group[i], first + start + i
                    filled += 1
    for i in range(whole, len(row)):
        if np.uint32(row[i] - low) <= span:
            if filled < len(bits):
                bits[filled], places[filled] = row[i], first + i
            filled += 1
    return filled


class Near:
    """The magnitudes in some neighbouring bins of upper halves, and where they are.

    Args:
        first: The lowest bin.
        last: The highest bin.
        room: How many magnitudes there may be.
    """

    def __init__(self, first: int, last: int, room: int) -> None:
        self.first = first
        self.last = last
        self._low = np.uint32(first << 16)
        self._span = np.uint32(((last - first + 1) << 16) - 1)
        self._bits = np.empty(room, np.uint32)
        self._places = np.empty(room, np.int64)
        self._filled = 0

    @property
    def is_full(self) -> bool:
        """Whether there was no room for some."""
        return self._filled > len(self._bits)

    def look(self, row: np.ndarray, first: int) -> None:
        """Take what is near in a row; `first` is the place of its first magnitude."""
        self._filled = gather(
            row, self._low, self._span, first, self._bits, self._places, self._filled
        )

    def of_bin(self, upper: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the magnitudes in one bin and where they are, in the order they were met."""
        bits, places = self._bits[: self._filled], self._places[: self._filled]
        if self.first == self.last == upper:
            return bits, places
        inside = bits >> np.uint32(16) == upper
        return bits[inside], places[inside]

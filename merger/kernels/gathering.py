"""Gather the magnitudes near a cut, and where they are, while all of them pass by."""

from typing import Any

import numpy as np

from merger.kernels.loop import loop
from merger.kernels.marks import AT_ONCE, find


@loop
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
    marks = np.zeros(AT_ONCE // 8, np.uint64)
    some, found = np.empty(len(marks) + 1, np.int64), np.empty(AT_ONCE, np.int64)
    is_near = marks.view(np.uint8)
    reached = 0
    for start in range(0, len(row), AT_ONCE):
        few = row[start : start + AT_ONCE]
        if len(few) < AT_ONCE:
            marks[:] = 0
        over = np.uint32(0)
        for i in range(len(few)):
            is_near[i] = np.uint32(few[i] - low) <= span
        for i in range(len(few)):
            over = np.uint32(over + np.uint32(few[i] >= low))
        reached += over
        for i in found[: find(marks, some, found)]:
            if filled < len(bits):
                bits[filled], places[filled] = few[i], first + start + i
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

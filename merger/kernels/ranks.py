"""Compiled ranking of the entries of a row by magnitude; of equal ones the first comes first."""

from typing import Any

import numpy as np

from merger.kernels.bits import bits_of, widen
from merger.kernels.counting import UNSIGNED
from merger.kernels.loop import loop

DIGIT = np.uint64(11)
BINS = 1 << 11
PASSES = 3
LOW = np.uint64(BINS - 1)
INDEX = np.uint64(32)


@loop
def order_row(expert: Any, base: Any, here: Any, there: Any, counts: Any) -> None:
    """Write the indices of a row into the lower halves of `there`, the largest change first.

    Args:
        expert: The row as it is stored.
        base: The base's row.
        here: uint64 of the row's length, overwritten.
        there: Likewise; its upper halves hold magnitudes, turned round.
        counts: (3, 2048) int64, overwritten.
    """
    counts[:] = 0
    for i in range(len(here)):
        bits = bits_of(np.float32(widen(expert[i]) - widen(base[i]))) & UNSIGNED
        # Small keys for large magnitudes, so that counting upwards goes down.
        key = np.uint64(UNSIGNED - bits)
        here[i] = key << INDEX | np.uint64(i)
        for p in range(PASSES):
            counts[p, (key >> np.uint64(p) * DIGIT) & LOW] += 1
    for p in range(PASSES):
        before = 0
        for b in range(BINS):
            count = counts[p, b]
            counts[p, b] = before
            before += count
        shift = INDEX + np.uint64(p) * DIGIT
        for i in range(len(here)):
            digit = (here[i] >> shift) & LOW
            there[counts[p, digit]] = here[i]
            counts[p, digit] += 1
        here, there = there, here


@loop
def _spread(
    expert: Any, base: Any, table: Any, here: Any, there: Any, counts: Any, out: Any
) -> None:
    columns = len(table)
    for start in range(0, len(out), columns):
        stop = start + columns
        order_row(expert[start:stop], base[start:stop], here, there, counts)
        for rank in range(columns):
            out[start + np.int64(there[rank] & np.uint64(0xFFFFFFFF))] = table[rank]


class Ranker:
    """Ranks rows of one length.

    Args:
        columns: Entries of a row.
    """

    def __init__(self, columns: int) -> None:
        self._room = np.empty(columns, np.uint64), np.empty(columns, np.uint64)
        self._counts = np.empty((PASSES, BINS), np.int64)

    def spread(
        self, expert: np.ndarray, base: np.ndarray, table: np.ndarray, out: np.ndarray
    ) -> None:
        """Give each entry of some whole rows the number that the table has for its rank."""
        _spread(expert, base, table, *self._room, self._counts, out)

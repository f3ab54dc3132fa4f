"""Count every magnitude while all of them pass by, where there are few different ones."""

from typing import Any

import numpy as np

from merger.counts import HIGH_BINS
from merger.kernels.counting import HALF, LOWER
from merger.kernels.loop import loop
from merger.magnitudes import Magnitudes

# Counts are kept for so many parts of the entries, so that a place is looked for in one of them.
PARTS = 8
# Parts are a multiple of so many entries, which are counted together.
STEP = 1 << 17
# Counts are of 32 bits.
LONGEST = 1 << 31
# So many magnitudes tell whether there are few different ones: most of them must be plain. Fewer
# take little room whatever they are.
ENOUGH = 1 << 16
ODD_SHARE = 8
# So many odd ones are put in order together, and more different ones are not counted.
TOGETHER, MOST = 1 << 18, 1 << 17


@loop
def _count(row: Any, counts: Any, odd: Any) -> int:
    """Count upper halves where the lower one is 0, put others aside, and return how many."""
    met = 0
    for i in range(len(row)):
        is_odd = (row[i] & LOWER) != 0
        counts[row[i] >> HALF] += np.uint32(not is_odd)
        odd[met] = row[i]
        met += is_odd
    return met


class Tally:
    """Counts the magnitudes of one expert.

    Args:
        entries: How many there will be.
    """

    def __init__(self, entries: int) -> None:
        self.step = min(max(1, -(-entries // (PARTS * STEP))) * STEP, LONGEST)
        self._seen = self._odd_seen = 0
        self._parts = np.zeros((max(1, -(-entries // self.step)), HIGH_BINS), np.uint32)
        self._odd = np.empty(TOGETHER + STEP + 1, np.uint32)
        self._filled = 0
        # Odd ones met so far, in order, and how often.
        self._bits = np.empty(0, np.uint32)
        self._counts = np.empty(0, np.int64)
        self.gave_up = False

    def look(self, first: int, row: np.ndarray) -> None:
        """Take a row; `first` is the index of its first magnitude."""
        at = 0
        while at < len(row) and not self.gave_up:
            # Parts end at multiples of this, wherever rows do.
            stop = min(len(row), at + STEP - (first + at) % STEP)
            self._look(first + at, row[at:stop])
            at = stop

    def _look(self, first: int, row: np.ndarray) -> None:
        counts, put = self._parts[first // self.step], self._odd[self._filled :]
        met = _count(row, counts, put)
        self._filled += met
        self._seen, self._odd_seen = self._seen + len(row), self._odd_seen + met
        if self._seen >= ENOUGH and self._odd_seen * ODD_SHARE > self._seen:
            self.gave_up = True
        elif self._filled >= TOGETHER:
            self._gather()

    def _gather(self) -> None:
        bits, counts = np.unique(self._odd[: self._filled], return_counts=True)
        both = np.concatenate([self._bits, bits])
        self._bits, at = np.unique(both, return_inverse=True)
        weights = np.concatenate([self._counts, counts])
        self._counts = np.bincount(at, weights=weights, minlength=len(self._bits)).astype(np.int64)
        self._filled = 0
        self.gave_up = len(self._bits) > MOST

    def found(self) -> Magnitudes | None:
        """Return what was counted, or None where there are too many different magnitudes."""
        if not self.gave_up:
            self._gather()
        if self.gave_up:
            return None
        # And 0, below which nothing is.
        plain = np.union1d(0, np.flatnonzero(self._parts.any(axis=0)))
        is_small = not len(self._counts) or int(self._counts.max()) < 1 << 16
        counts = self._counts.astype(np.uint16 if is_small else np.int64)
        return Magnitudes(
            plain.astype(np.uint16), self._parts[:, plain].copy(), self._bits, counts, self.step
        )

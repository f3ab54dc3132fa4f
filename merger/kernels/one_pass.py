"""Exact cuts in little more than one pass: guess where they will be, and gather what is near.

The first magnitudes tell in which few bins of upper halves a cut will lie. Of all others, what
lies there is gathered and what lies above is counted; the first ones are looked at again at the
end. If the cut is among what was gathered, it is exact; else the guess was wrong, and histograms
of everything find it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt

import numpy as np

from merger.counts import HIGH_BINS, LOW_BINS
from merger.cuts import ALL, Cut, pick_bin
from merger.kernels.counting import HALF, LOWER, count_high
from merger.kernels.gathering import Near

# One row of magnitudes: of which expert, the index of the first one, and uint32.
Row = tuple[int, int, np.ndarray]
# Yields rows of the experts for which something is wanted, which is looked at anew before each,
# from some index on.
Rows = Callable[[Callable[[int], bool], int], Iterator[Row]]

# So many magnitudes tell where cuts will be.
ENOUGH = 1 << 18
# A guess reaches so far to both sides: standard errors of a share, and a share beside them,
# because a tensor's rows are not all alike.
ERRORS, SLACK = 3.0, 0.001
# So much may lie near one cut; more is found from histograms, which take no memory.
MOST = 1 << 20
# Beside what is expected near a cut there is room for this and half as much again.
SPARE = 1 << 14


def find_cuts(
    rows: Rows,
    entries: int,
    wanted: Sequence[Iterable[int]],
    known: Sequence[np.ndarray | None],
) -> tuple[list[dict[int, Cut]], list[np.ndarray]]:
    """Return the cuts of each expert, and how often upper halves occur among the first ones.

    Cuts that were guessed wrongly, or near which too many magnitudes lie, are left out.

    Args:
        rows: Gives the magnitudes, for each pass.
        entries: How many there are.
        wanted: For each expert, how many to keep: at least 1 and fewer than there are.
        known: What the second result was, for experts of which that was counted before.
    """
    hunts = [_Hunt(entries, keep, counts) for keep, counts in zip(wanted, known, strict=True)]
    for i, first, row in rows(lambda i: hunts[i].is_wanted, 0):
        hunts[i].look(first, row)
    for i, first, row in rows(lambda i: hunts[i].lacks, 0):
        hunts[i].look_again(first, row)
    return [hunt.cuts() for hunt in hunts], [hunt.counts for hunt in hunts]


class _Hunt:
    """The search for the cuts of one expert."""

    def __init__(self, entries: int, keep: Iterable[int], known: np.ndarray | None) -> None:
        self._entries = entries
        self._keep = sorted(set(keep))
        self.counts = np.zeros(HIGH_BINS, np.int64) if known is None else known
        # By cut: what is gathered from some place on, and what before it.
        self._near: dict[int, Near] = {}
        self._early: dict[int, Near] = {}
        # Where gathering began; what was looked at for the guess comes again.
        self._since: int | None = None
        if known is not None and self._keep:
            self._guess(0)

    @property
    def is_wanted(self) -> bool:
        """Whether the first pass must show more of this expert's magnitudes."""
        return bool(self._keep) and (self._since is None or bool(self._near))

    @property
    def lacks(self) -> bool:
        """Whether the second pass must show more of them."""
        return bool(self._since) and bool(self._near)

    def look(self, first: int, row: np.ndarray) -> None:
        """Take a row in the first pass."""
        if self._since is None:
            count_high(row, self.counts)
            seen = first + len(row)
            if seen >= min(ENOUGH, self._entries):
                self._guess(seen)
            return
        for near in self._near.values():
            near.look(row, first)

    def look_again(self, first: int, row: np.ndarray) -> None:
        """Take a row in the second pass."""
        for early in self._early.values():
            early.look(row, first)
        if first + len(row) == self._since:
            self._since = 0

    def _guess(self, since: int) -> None:
        self._since = since
        seen = int(self.counts.sum())
        for k in self._keep:
            first, last = self._bins(k / self._entries, seen)
            met = int(self.counts[first : last + 1].sum())
            room = met * self._entries // seen * 3 // 2 + SPARE
            if room <= MOST:
                self._near[k] = Near(first, last, room)
                self._early[k] = Near(first, last, met if since else 0)

    def _bins(self, share: float, seen: int) -> tuple[int, int]:
        reach = ERRORS * sqrt(share * (1.0 - share) / seen) + SLACK
        if seen == self._entries:
            reach = 0.0
        places = (round((share + side * reach) * seen) for side in (1, -1))
        first, last = (pick_bin(self.counts, min(max(k, 1), seen))[0] for k in places)
        return first, last

    def cuts(self) -> dict[int, Cut]:
        """Return the cuts that were found."""
        found = {k: self._cut(k) for k in self._near}
        return {k: cut for k, cut in found.items() if cut is not None}

    def _cut(self, k: int) -> Cut | None:
        both = self._early[k], self._near[k]
        bits, places = (
            np.concatenate(parts) for parts in zip(*(n.found for n in both), strict=True)
        )
        left = k - sum(near.above for near in both)
        if any(near.is_full for near in both) or not 0 < left <= len(bits):
            return None
        # By histograms once more: a partition of many equal numbers is slow.
        upper, left = pick_bin(np.bincount(bits >> HALF, minlength=HIGH_BINS), left)
        inside = bits >> HALF == upper
        bits, places = bits[inside] & LOWER, places[inside]
        lower, left = pick_bin(np.bincount(bits, minlength=LOW_BINS), left)
        tied = np.flatnonzero(bits == lower)
        threshold = np.array([upper << 16 | lower], np.uint32).view(np.float32)[0]
        return Cut(float(threshold), ALL if left == len(tied) else int(places[tied[left - 1]]))

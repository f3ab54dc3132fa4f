"""Exact cuts in little more than one pass: guess where they will be, and gather what is near.

Upper halves of all magnitudes are counted, and once some have been, those in which the cuts will
lie are known but for a few. From then on what lies there is gathered. At the end the counts say
where the cuts really are: mostly only the first rows must be looked at again, and where a guess
was wrong, all of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt

import numpy as np

from merger.counts import HIGH_BINS
from merger.cuts import ALL, Cut, pick_bin
from merger.kernels.counting import count_high
from merger.kernels.gathering import Near

# One row of magnitudes: of which expert, the index of the first one, and uint32.
Row = tuple[int, int, np.ndarray]
# Yields rows of the experts for which something is wanted, which is looked at anew before each.
Rows = Callable[[Callable[[int], bool]], Iterator[Row]]

# After so many magnitudes it is guessed where cuts will be.
ENOUGH = 1 << 18
# A guess reaches so far to both sides: standard errors of a share, and a share beside them,
# because a tensor's rows are not all alike.
ERRORS, SLACK = 4.0, 0.0025
# So much may lie near one cut; more is found from histograms, which take no memory.
MOST = 1 << 20


def find_cuts(
    rows: Rows,
    entries: int,
    wanted: Sequence[Iterable[int]],
    known: Sequence[np.ndarray | None],
) -> tuple[list[dict[int, Cut]], list[np.ndarray]]:
    """Return the cuts of each expert, and how often each upper half occurs.

    Cuts in whose bin too many magnitudes lie are left out.

    Args:
        rows: Gives the magnitudes, for each pass.
        entries: How many there are.
        wanted: For each expert, how many to keep: at least 1 and fewer than there are.
        known: How often each upper half occurs, of experts of which that was counted before.
    """
    hunts = [_Hunt(entries, keep, counts) for keep, counts in zip(wanted, known, strict=True)]
    for i, first, row in rows(lambda i: hunts[i].is_wanted):
        hunts[i].look(first, row)
    for hunt in hunts:
        hunt.settle()
    for i, first, row in rows(lambda i: hunts[i].lacks):
        hunts[i].look_again(first, row)
    return [hunt.cuts() for hunt in hunts], [hunt.counts for hunt in hunts]


class _Hunt:
    """The search for the cuts of one expert."""

    def __init__(self, entries: int, keep: Iterable[int], known: np.ndarray | None) -> None:
        self._entries = entries
        self._keep = sorted(set(keep))
        self._is_counted = known is not None
        self.counts = np.zeros(HIGH_BINS, np.int64) if known is None else known
        # By cut: what is gathered in the first pass, from some place on.
        self._near: dict[int, Near] = {}
        self._since = entries
        # What the second pass gathers before that place, or up to the end where the guess failed.
        self._early: dict[int, Near] = {}
        self._until = 0

    @property
    def is_wanted(self) -> bool:
        """Whether the first pass must show this expert's magnitudes."""
        return bool(self._keep) and not self._is_counted

    def look(self, first: int, row: np.ndarray) -> None:
        """Take a row in the first pass."""
        count_high(row, self.counts)
        for near in self._near.values():
            near.look(row, first)
        seen = first + len(row)
        if self._since == self._entries and ENOUGH <= seen < self._entries:
            self._since = seen
            guesses = {k: self._guess(k / self._entries, seen) for k in self._keep}
            self._near = {k: near for k, near in guesses.items() if near is not None}

    def _guess(self, share: float, seen: int) -> Near | None:
        reach = ERRORS * sqrt(share * (1.0 - share) / seen) + SLACK
        places = (int((share + side * reach) * seen) for side in (1, -1))
        low, high = (pick_bin(self.counts, min(max(k, 1), seen))[0] for k in places)
        met = int(self.counts[low : high + 1].sum())
        room = met * self._entries // seen * 3 // 2 + ENOUGH // 16
        return Near(low, high, room) if room <= MOST else None

    def settle(self) -> None:
        """Compare the guesses with the counts, which are complete now."""
        for k in self._keep:
            upper, _ = pick_bin(self.counts, k)
            near = self._near.get(k)
            if near is None or near.is_full or not near.first <= upper <= near.last:
                self._near.pop(k, None)
            if self.counts[upper] <= MOST:
                self._early[k] = Near(upper, upper, int(self.counts[upper]))
                self._until = max(self._until, self._end(k))

    @property
    def lacks(self) -> bool:
        """Whether the second pass must show more of them."""
        return self._until > 0

    def look_again(self, first: int, row: np.ndarray) -> None:
        """Take a row in the second pass."""
        for k, early in self._early.items():
            if first < self._end(k):
                early.look(row, first)
        if first + len(row) >= self._until:
            self._until = 0

    def _end(self, k: int) -> int:
        return self._since if k in self._near else self._entries

    def cuts(self) -> dict[int, Cut]:
        """Return the cuts, but for those near which too many lie."""
        return {k: self._cut(k) for k in self._early}

    def _cut(self, k: int) -> Cut:
        upper, left = pick_bin(self.counts, k)
        both = (some[k].of_bin(upper) for some in (self._early, self._near) if k in some)
        bits, places = (np.concatenate(parts) for parts in zip(*both, strict=True))
        threshold = np.partition(bits, len(bits) - left)[len(bits) - left]
        left -= int(np.count_nonzero(bits > threshold))
        tied = np.flatnonzero(bits == threshold)
        last = ALL if left == len(tied) else int(places[tied[left - 1]])
        return Cut(float(threshold.view(np.float32)), last)

"""Find exact cuts: the magnitude above which exactly k entries lie, ties by lowest index."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from merger.counts import Counts
from merger.lazy import Tensor, torch

ALL = 1 << 62
# Bins of a histogram that are looked at together first.
GROUP = 256
# From this length on a sample finds the cut faster than a partition of everything.
SAMPLED = 1 << 16


class Cut(NamedTuple):
    """Entries above the threshold survive, and those at it up to an index.

    Args:
        threshold: The k-th largest magnitude.
        last: The last index at which an entry equal to the threshold survives.
    """

    threshold: float
    last: int


NOTHING = Cut(float("inf"), -1)
EVERYTHING = Cut(0.0, ALL)


def keep_count(density: float, entries: int) -> int:
    """Return how many entries a share keeps: rounded down, but at least one when it is not 0.

    Example:
        >>> keep_count(0.29, 100), keep_count(0.001, 10), keep_count(0.0, 10)
        (28, 1, 0)
    """
    if density >= 1.0:
        return entries
    if density <= 0.0:
        return 0
    return min(entries, max(1, int(density * entries)))


def cut_of(magnitudes: np.ndarray, k: int) -> Cut:
    """Return the cut that keeps exactly k of these magnitudes.

    Args:
        magnitudes: Flat, in canonical order.
        k: How many to keep.
    """
    if k <= 0:
        return NOTHING
    if k >= len(magnitudes):
        return EVERYTHING
    above, near = _narrow(magnitudes, k)
    threshold = np.partition(near, len(near) - (k - above))[len(near) - (k - above)]
    above += int(np.count_nonzero(near > threshold))
    if above + int(np.count_nonzero(near == threshold)) == k:
        return Cut(float(threshold), ALL)
    return Cut(float(threshold), int(np.flatnonzero(magnitudes == threshold)[k - above - 1]))


def cut_there(magnitudes: Tensor, k: int) -> Cut:
    """Return what `cut_of` does, found on the device where the magnitudes are."""
    if not 0 < k < len(magnitudes):
        return NOTHING if k <= 0 else EVERYTHING
    threshold = magnitudes.kthvalue(len(magnitudes) - k + 1).values
    left = k - int(torch.count_nonzero(magnitudes > threshold))
    equal = magnitudes == threshold
    if int(torch.count_nonzero(equal)) == left:
        return Cut(threshold.item(), ALL)
    return Cut(threshold.item(), int(equal.nonzero()[left - 1]))


def _narrow(magnitudes: np.ndarray, k: int) -> tuple[int, np.ndarray]:
    """Return how many magnitudes lie above a bracket around the k-th largest, and those inside.

    A sample says where the bracket is; counting proves it right, or everything is inside.
    """
    entries = len(magnitudes)
    if entries < SAMPLED:
        return 0, magnitudes
    # An odd step, so that the sample does not fall on the same column of every row.
    sample = np.sort(magnitudes[::61])
    middle = len(sample) - k * len(sample) / entries
    slack = 3.0 * len(sample) ** 0.5
    low = sample[max(0, int(middle - slack))]
    high = sample[min(len(sample) - 1, int(middle + slack))]
    above = int(np.count_nonzero(magnitudes > high))
    near = magnitudes[np.flatnonzero((magnitudes >= low) & (magnitudes <= high))]
    return (above, near) if above < k <= above + len(near) else (0, magnitudes)


def survives(magnitudes: Any, cut: Cut, first: int) -> Any:
    """Return which of these magnitudes survive, an array or a tensor of any device.

    Args:
        magnitudes: Flat, in canonical order.
        cut: Which to keep.
        first: Index of the first one.
    """
    threshold = np.float32(cut.threshold)
    if cut.last >= first + len(magnitudes) - 1:
        return magnitudes >= threshold
    kept = magnitudes > threshold
    ties = max(0, cut.last + 1 - first)
    if ties:
        kept[:ties] |= magnitudes[:ties] == threshold
    return kept


def stream_cuts(
    counts: Counts, entries: int, wanted: Sequence[Iterable[int]]
) -> list[dict[int, Cut]]:
    """Return the cuts of several experts without holding their magnitudes.

    Two passes over histograms of the bit patterns, upper half then lower half, and a third one
    only where equal magnitudes must be told apart.

    Args:
        counts: Goes over the magnitudes.
        entries: How many entries there are.
        wanted: For each expert, how many entries to keep; several when tensors differ.
    """
    found = [plain_cuts(keep, entries) for keep in wanted]
    open_ = [{k: _Search(k) for k in keep if 0 < k < entries} for keep in wanted]
    if any(open_):
        _narrow_high(counts, open_)
        _narrow_low(counts, open_)
        _find_last(counts, open_)
    for cuts, searches in zip(found, open_, strict=True):
        cuts.update({k: search.cut() for k, search in searches.items()})
    return found


def plain_cuts(wanted: Iterable[int], entries: int) -> dict[int, Cut]:
    """Return the cuts that keep nothing or everything, by how many they keep."""
    return {k: NOTHING if k <= 0 else EVERYTHING for k in wanted if not 0 < k < entries}


def pick_bin(histogram: np.ndarray, k: int) -> tuple[int, int]:
    """Return the bin in which the k-th largest lies, and how many of that bin are to be kept.

    Args:
        histogram: Counts of ascending magnitudes; as many bins as a multiple of `GROUP`.
        k: At least 1, at most the sum of all counts.
    """
    # First the group of bins, then the bin: a few sums instead of one for every bin.
    groups = histogram.reshape(-1, GROUP)
    group, left = _pass_by(groups.sum(axis=1), k)
    chosen, left = _pass_by(groups[group], left)
    return group * GROUP + chosen, left


def _pass_by(counts: np.ndarray, left: int) -> tuple[int, int]:
    above = np.cumsum(counts[::-1])
    at = int(np.searchsorted(above, left))
    return len(counts) - 1 - at, left - (int(above[at - 1]) if at else 0)


class _Search:
    """The search for one cut: what is known of its bit pattern, and how many are still to take."""

    def __init__(self, k: int) -> None:
        self.left = k
        self.bits = 0
        self.last = ALL

    def pick(self, histogram: np.ndarray) -> int:
        """Choose the bin in which the k-th largest lies, and count what lies above it."""
        chosen, self.left = pick_bin(histogram, self.left)
        self.last = ALL if self.left == histogram[chosen] else -1
        return chosen

    def cut(self) -> Cut:
        return Cut(float(np.array([self.bits], np.uint32).view(np.float32)[0]), self.last)


def _narrow_high(counts: Counts, searches: Sequence[dict[int, _Search]]) -> None:
    histograms = counts.high([bool(wanted) for wanted in searches])
    for histogram, wanted in zip(histograms, searches, strict=True):
        for search in wanted.values():
            search.bits = search.pick(histogram) << 16


def _narrow_low(counts: Counts, searches: Sequence[dict[int, _Search]]) -> None:
    uppers = [{search.bits >> 16 for search in wanted.values()} for wanted in searches]
    for wanted, by_upper in zip(searches, counts.low(uppers), strict=True):
        for search in wanted.values():
            search.bits |= search.pick(by_upper[search.bits >> 16])


def _find_last(counts: Counts, searches: Sequence[dict[int, _Search]]) -> None:
    tied = [[s for s in wanted.values() if s.last != ALL] for wanted in searches]
    if not any(tied):
        return
    places = counts.find([[(s.bits, s.left) for s in some] for some in tied])
    for some, found in zip(tied, places, strict=True):
        for search, place in zip(some, found, strict=True):
            search.last = place

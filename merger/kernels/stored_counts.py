"""Histograms of magnitudes straight from what is stored, by compiled loops."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from merger.counts import HIGH_BINS, LOW_BINS
from merger.kernels.counting import count_high, count_low, find_equal

# Upper half of the bits of infinity.
INFINITY = 0x7F80
# Gives for each piece of a pass the experts' entries and the base's, as they are stored.
Pieces = Callable[[], Iterable[tuple[Sequence[np.ndarray], np.ndarray]]]


class StoredCounts:
    """Counts over stored experts; see `counts.Counts`.

    Args:
        pieces: Called for each pass.
        check: Called when a magnitude is not finite; raises if that is an input's fault.
    """

    def __init__(self, pieces: Pieces, check: Callable[[], None]) -> None:
        self._pieces = pieces
        self._check = check

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        """Return how often each upper half occurs, for the experts that are wanted."""
        counts = [np.zeros(HIGH_BINS, np.int64) for _ in wanted]
        for experts, base in self._pieces():
            for expert, count in zip(experts, counts, strict=True):
                count_high(expert, base, count)
        if any(count[INFINITY:].any() for count in counts):
            self._check()
        return counts

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        counts = [{upper: np.zeros(LOW_BINS, np.int64) for upper in some} for some in wanted]
        for experts, base in self._pieces():
            for expert, by_upper in zip(experts, counts, strict=True):
                for upper, count in by_upper.items():
                    count_low(expert, base, np.uint32(upper), count)
        return counts

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        """Return the index of the n-th magnitude with some bits, for pairs of bits and n."""
        found = [[-1] * len(some) for some in wanted]
        left = [[nth for _, nth in some] for some in wanted]
        first = 0
        for experts, base in self._pieces():
            for expert, some, places, rest in zip(experts, wanted, found, left, strict=True):
                for i, (bits, _) in enumerate(some):
                    if rest[i]:
                        at, rest[i] = find_equal(expert, base, np.uint32(bits), rest[i])
                        places[i] = first + at if at >= 0 else -1
            first += len(base)
            if not any(map(any, left)):
                break
        return found

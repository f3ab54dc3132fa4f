"""Histograms that were taken for another merge of the same models, kept as what is not 0.

A density that moves needs other cuts of the same magnitudes, a coefficient needs the same cuts: so
a second merge of the same models counts only what the first one did not.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from merger.counts import HIGH_BINS, LOW_BINS, Counts
from merger.lru import Lru

NONE = np.zeros(HIGH_BINS, np.int64)


class Sparse(NamedTuple):
    """A histogram as its bins that are not empty."""

    bins: np.ndarray
    counts: np.ndarray

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return self.bins.nbytes + self.counts.nbytes

    def dense(self, length: int) -> np.ndarray:
        """Return all bins."""
        found = np.zeros(length, np.int64)
        found[self.bins] = self.counts
        return found


def sparse(histogram: np.ndarray) -> Sparse:
    """Return a histogram as its bins that are not empty."""
    # Comparing first: of integers, numpy finds those that are not 0 five times as slowly.
    bins = np.flatnonzero(histogram != 0)
    counts = histogram[bins]
    is_small = not len(counts) or counts.max() < 1 << 32
    return Sparse(bins.astype(np.uint16), counts.astype(np.uint32) if is_small else counts)


class RememberedCounts:
    """Counts that are looked up first; see `counts.Counts`.

    Args:
        counts: What goes over the magnitudes where nothing is known.
        cache: What is known of these models.
        name: What tells these magnitudes from others of the same models.
    """

    def __init__(self, counts: Counts, cache: Lru[Any], name: Hashable) -> None:
        self._counts = counts
        self._cache = cache
        self._name = name

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        """Return how often each upper half occurs, for the experts that are wanted."""
        known = [self._cache.get((self._name, "high", i)) for i in range(len(wanted))]
        missing = [want and found is None for want, found in zip(wanted, known, strict=True)]
        found = list(self._counts.high(missing)) if any(missing) else [NONE] * len(wanted)
        for i, histogram in enumerate(known):
            if missing[i]:
                self._cache.put((self._name, "high", i), sparse(found[i]))
            elif histogram is not None:
                found[i] = histogram.dense(HIGH_BINS)
        return found

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        known: list[dict[int, Any]] = [
            {upper: self._cache.get((self._name, "low", i, upper)) for upper in some}
            for i, some in enumerate(wanted)
        ]
        missing = [[upper for upper, found in some.items() if found is None] for some in known]
        fresh = self._counts.low(missing) if any(missing) else [{} for _ in wanted]
        for i, some in enumerate(fresh):
            for upper, histogram in some.items():
                self._cache.put((self._name, "low", i, upper), sparse(histogram))
        return [
            {u: fresh[i][u] if s is None else s.dense(LOW_BINS) for u, s in some.items()}
            for i, some in enumerate(known)
        ]

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        """Return the index of the n-th magnitude with some bits, for pairs of bits and n."""
        known: list[dict[tuple[int, int], Any]] = [
            {pair: self._cache.get((self._name, "find", i, *pair)) for pair in some}
            for i, some in enumerate(wanted)
        ]
        missing = [[pair for pair, found in some.items() if found is None] for some in known]
        fresh = self._counts.find(missing) if any(missing) else ()
        for i, places in enumerate(fresh):
            for pair, place in zip(missing[i], places, strict=True):
                known[i][pair] = place
                self._cache.put((self._name, "find", i, *pair), place)
        return [[known[i][pair] for pair in some] for i, some in enumerate(wanted)]

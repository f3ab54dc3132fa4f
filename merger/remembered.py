"""Histograms that were taken for another merge of the same models, kept as what is not 0.

A density that moves needs other cuts of the same magnitudes, a coefficient needs the same cuts: so
a second merge of the same models counts only what the first one did not.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from merger.counts import HIGH_BINS, LOW_BINS, Counts
from merger.lru import Lru


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
    bins = np.flatnonzero(histogram)
    return Sparse(bins.astype(np.uint32), histogram[bins])


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
        fresh = self._counts.high(missing) if any(missing) else ()
        for i, is_missing in enumerate(missing):
            if is_missing:
                known[i] = sparse(fresh[i])
                self._cache.put((self._name, "high", i), known[i])
        return [np.zeros(HIGH_BINS, np.int64) if k is None else k.dense(HIGH_BINS) for k in known]

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        known: list[dict[int, Any]] = [
            {upper: self._cache.get((self._name, "low", i, upper)) for upper in some}
            for i, some in enumerate(wanted)
        ]
        missing = [[upper for upper, found in some.items() if found is None] for some in known]
        fresh = self._counts.low(missing) if any(missing) else ()
        for i, some in enumerate(fresh):
            for upper, histogram in some.items():
                known[i][upper] = sparse(histogram)
                self._cache.put((self._name, "low", i, upper), known[i][upper])
        return [{upper: found.dense(LOW_BINS) for upper, found in some.items()} for some in known]

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

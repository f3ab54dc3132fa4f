"""Cuts that were found for another merge of the same models, and the counts they came from.

A coefficient that moves needs the same cuts: they are looked up. A density that moves needs others
of the same magnitudes: the counts say where to look for them.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from merger.counts import HIGH_BINS
from merger.cuts import Cut, plain_cuts
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
    # Comparing first: of integers, numpy finds those that are not 0 five times as slowly.
    bins = np.flatnonzero(histogram != 0)
    counts = histogram[bins]
    is_small = not len(counts) or counts.max() < 1 << 32
    return Sparse(bins.astype(np.uint16), counts.astype(np.uint32) if is_small else counts)


class Cutting(Protocol):
    """Finds cuts, and says what it counted."""

    def cuts(
        self,
        entries: int,
        wanted: Sequence[Collection[int]],
        known: Sequence[np.ndarray | None],
    ) -> tuple[list[dict[int, Cut]], list[np.ndarray]]:
        """Return each expert's cuts, and how often upper halves occur among the first ones."""
        ...


def remembered_cuts(
    counts: Cutting,
    entries: int,
    wanted: Sequence[Iterable[int]],
    cache: Lru[Any],
    name: Hashable,
) -> list[dict[int, Cut]]:
    """Return the cuts of several experts, looked up where they or their counts are known.

    Args:
        counts: What goes over the magnitudes where nothing is known.
        entries: How many there are.
        wanted: For each expert, how many to keep.
        cache: What is known of these models.
        name: What tells these magnitudes from others of the same models.
    """
    found = [plain_cuts(keep, entries) for keep in wanted]
    open_ = [set(keep) - set(cuts) for keep, cuts in zip(wanted, found, strict=True)]
    for i, (cuts, keep) in enumerate(zip(found, open_, strict=True)):
        looked_up = {k: cache.get((name, "cut", i, k)) for k in keep}
        cuts.update({k: cut for k, cut in looked_up.items() if cut is not None})
    missing = [set(keep) - set(cuts) for keep, cuts in zip(open_, found, strict=True)]
    if not any(missing):
        return found
    kept = [cache.get((name, "first", i)) for i in range(len(found))]
    known = [None if some is None else some.dense(HIGH_BINS) for some in kept]
    fresh, counted = counts.cuts(entries, missing, known)
    for i, (cuts, first) in enumerate(zip(fresh, counted, strict=True)):
        found[i].update(cuts)
        for k, cut in cuts.items():
            cache.put((name, "cut", i, k), cut)
        if missing[i] and kept[i] is None:
            cache.put((name, "first", i), sparse(first))
    return found

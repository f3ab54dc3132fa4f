"""Cuts that were found for another merge of the same models, and the counts they came from.

A coefficient that moves needs the same cuts: they are looked up. A density that moves needs others
of the same magnitudes. Where each magnitude was counted, they follow from the counts; else what
was counted of the first ones says where to look for them.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from merger.counts import HIGH_BINS
from merger.cuts import ALL, Cut, plain_cuts
from merger.lru import Lru
from merger.magnitudes import Magnitudes, Place


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

    def tallies(self, entries: int, wanted: Sequence[bool]) -> list[Magnitudes | None]:
        """Return how often each magnitude of some experts occurs, unless too many differ."""
        ...

    def last(self, i: int, place: Place) -> int:
        """Return the index of the last entry that is kept of those equal to a cut."""
        ...


def remembered_cuts(
    counts: Cutting,
    entries: int,
    wanted: Sequence[Iterable[int]],
    cache: Lru[Any],
    name: Hashable,
    for_more: bool = False,
) -> list[dict[int, Cut]]:
    """Return the cuts of several experts, looked up where they or their counts are known.

    Args:
        counts: What goes over the magnitudes where nothing is known.
        entries: How many there are.
        wanted: For each expert, how many to keep.
        cache: What is known of these models.
        name: What tells these magnitudes from others of the same models.
        for_more: Whether to count what other densities will ask for.
    """
    found = [plain_cuts(keep, entries) for keep in wanted]
    open_ = [set(keep) - set(cuts) for keep, cuts in zip(wanted, found, strict=True)]
    for i, (cuts, keep) in enumerate(zip(found, open_, strict=True)):
        looked_up = {k: cache.get((name, "cut", i, k)) for k in keep}
        cuts.update({k: cut for k, cut in looked_up.items() if cut is not None})
    missing = [set(keep) - set(cuts) for keep, cuts in zip(open_, found, strict=True)]
    fresh = _counted_cuts(counts, entries, missing, cache, name, for_more)
    missing = [set(keep) - set(cuts) for keep, cuts in zip(missing, fresh, strict=True)]
    if any(missing):
        others = _gathered_cuts(counts, entries, missing, cache, name)
        fresh = [some | more for some, more in zip(fresh, others, strict=True)]
    for i, (known, cuts) in enumerate(zip(found, fresh, strict=True)):
        known.update(cuts)
        for k, cut in cuts.items():
            cache.put((name, "cut", i, k), cut)
    return found


def _counted_cuts(
    counts: Cutting,
    entries: int,
    missing: Sequence[Collection[int]],
    cache: Lru[Any],
    name: Hashable,
    for_more: bool,
) -> list[dict[int, Cut]]:
    """Return the cuts that follow from how often each magnitude occurs, where that is known."""
    kept = [cache.get((name, "magnitudes", i)) if keep else None for i, keep in enumerate(missing)]
    lacks = [
        bool(keep) and some is None and cache.get((name, "too many", i)) is None
        for i, (keep, some) in enumerate(zip(missing, kept, strict=True))
    ]
    if for_more and any(lacks):
        for i, made in enumerate(counts.tallies(entries, lacks)):
            if made is not None:
                kept[i] = made
                cache.put((name, "magnitudes", i), made)
            elif lacks[i]:
                cache.put((name, "too many", i), True)
    return [
        {} if some is None else {k: _counted_cut(counts, i, some.place(k)) for k in keep}
        for i, (some, keep) in enumerate(zip(kept, missing, strict=True))
    ]


def _counted_cut(counts: Cutting, i: int, place: Place) -> Cut:
    threshold = np.array([place.bits], np.uint32).view(np.float32)[0]
    return Cut(float(threshold), ALL if place.is_whole else counts.last(i, place))


def _gathered_cuts(
    counts: Cutting,
    entries: int,
    missing: Sequence[Collection[int]],
    cache: Lru[Any],
    name: Hashable,
) -> list[dict[int, Cut]]:
    """Return the cuts that a look at the magnitudes near them finds."""
    kept = [cache.get((name, "first", i)) for i in range(len(missing))]
    known = [None if some is None else some.dense(HIGH_BINS) for some in kept]
    fresh, counted = counts.cuts(entries, missing, known)
    for i, first in enumerate(counted):
        if missing[i] and kept[i] is None:
            cache.put((name, "first", i), sparse(first))
    return fresh

"""Counts of several experts at once, each group of experts by a thread of its own."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from merger.cuts import Cut
from merger.kernels.stored_counts import StoredCounts
from merger.magnitudes import Magnitudes, Place

T = TypeVar("T")


class SharedCounts:
    """Goes over the magnitudes of different experts in different threads; see `StoredCounts`.

    What is found is the same: no expert's counts depend on another's.

    Args:
        counts: Goes over them.
        workers: Threads to use.
    """

    def __init__(self, counts: StoredCounts, workers: int) -> None:
        self._counts = counts
        self._workers = workers

    def cuts(
        self,
        entries: int,
        wanted: Sequence[Collection[int]],
        known: Sequence[np.ndarray | None],
    ) -> tuple[list[dict[int, Cut]], list[np.ndarray]]:
        """Return each expert's cuts, and how often upper halves occur among the first ones."""

        def find(mine: Collection[int]) -> list[tuple[dict[int, Cut], np.ndarray]]:
            few = [keep if i in mine else () for i, keep in enumerate(wanted)]
            return list(zip(*self._counts.cuts(entries, few, known), strict=True))

        found = self._share([bool(keep) for keep in wanted], find)
        return [cuts for cuts, _ in found], [counted for _, counted in found]

    def tallies(self, entries: int, wanted: Sequence[bool]) -> list[Magnitudes | None]:
        """Return how often each magnitude of some experts occurs, unless too many differ."""

        def tally(mine: Collection[int]) -> list[Magnitudes | None]:
            return self._counts.tallies(entries, [i in mine for i in range(len(wanted))])

        return self._share(wanted, tally)

    def last(self, i: int, place: Place) -> int:
        """Return the index of the last entry that is kept of those equal to a cut."""
        return self._counts.last(i, place)

    def _share(
        self, wanted: Sequence[bool], work: Callable[[Collection[int]], list[T]]
    ) -> list[T]:
        """Return for each expert what the thread that worked for it found."""
        busy = [i for i, is_wanted in enumerate(wanted) if is_wanted]
        groups = [busy[k :: self._workers] for k in range(self._workers)]
        groups = [group for group in groups if group] or [[]]
        with ThreadPoolExecutor(len(groups), thread_name_prefix="count") as pool:
            others = [pool.submit(work, group) for group in groups[1:]]
            # This thread works too: it is the one that tells how far a pass is.
            results = [work(groups[0]), *(other.result() for other in others)]
        # Where nothing is wanted, all found the same.
        by = {i: found for group, found in zip(groups, results, strict=True) for i in group}
        return [by.get(i, results[0])[i] for i in range(len(wanted))]

"""Histograms of magnitudes straight from what is stored, by compiled loops."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from merger.counts import HIGH_BINS, LOW_BINS
from merger.cuts import Cut, stream_cuts
from merger.kernels.block import Block
from merger.kernels.counting import UNSIGNED, count_high, count_low, find_equal, magnitudes
from merger.kernels.keeping import Keeper
from merger.kernels.one_pass import Row, Rows, find_cuts
from merger.kernels.tally import Tally
from merger.magnitudes import Magnitudes, Place

# Upper half of the bits of infinity.
INFINITY = 0x7F80
# A row of so many magnitudes stays in the cache of a processor.
PART = 1 << 17
# Gives for each piece of a pass how many entries it has, and what reads those of some experts and
# of the base as they are stored.
Read = Callable[[Sequence[int]], tuple[Sequence[np.ndarray], np.ndarray]]
Pieces = Callable[[], Iterable[tuple[int, Read]]]

# The same with what is left of all experts.
Blocks = Callable[[], Iterable[tuple[int, Callable[[], tuple[Block, Keeper]]]]]


def rows_of_changes(pieces: Pieces, n: int) -> Rows:
    """Return the magnitudes of the changes of n stored experts."""

    def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        first, room = 0, np.empty(PART, np.uint32)
        for length, read in pieces():
            wanted = [i for i in range(n) if is_wanted(i)]
            if not wanted:
                break
            if first + length > since:
                experts, base = read(wanted)
                for start in range(max(0, since - first), length, PART):
                    part = slice(start, start + PART)
                    row = room[: len(base[part])]
                    for i, expert in zip(wanted, experts, strict=True):
                        if is_wanted(i):
                            magnitudes(expert[part], base[part], row)
                            yield i, first + start, row
            first += length

    return rows


def rows_of_kept(blocks: Blocks) -> Rows:
    """Return the magnitudes of what keepers leave of experts."""

    def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        first = 0
        for length, left in blocks():
            if first + length > since:
                block, keeper = left()
                for i, start, row in _kept_rows(block, keeper, is_wanted):
                    # Keepers begin where their steps do.
                    early = max(0, since - first - start)
                    if early < len(row):
                        yield i, first + start + early, row[early:]
                if not any(map(is_wanted, range(len(block.experts)))):
                    break
            first += length

    return rows


def _kept_rows(block: Block, keeper: Keeper, is_wanted: Callable[[int], bool]) -> Iterator[Row]:
    step = max(1, PART // keeper.step) * keeper.step
    row = np.empty(min(step, len(block.base)), np.float32)
    for start in range(0, len(block.base), step):
        part = slice(start, start + step)
        few = row[: len(block.base[part])]
        for i, expert in enumerate(block.experts):
            if is_wanted(i):
                keeper.keep(i, expert[part], block.base[part], block.start + start, few)
                yield i, start, few.view(np.uint32) & UNSIGNED


class StoredCounts:
    """Counts over rows of magnitudes; see `counts.Counts`.

    Args:
        rows: Gives them, for each pass.
        check: Called when a magnitude is not finite; raises if that is an input's fault.
    """

    def __init__(self, rows: Rows, check: Callable[[], None]) -> None:
        self._rows = rows
        self._check = check

    def cuts(
        self,
        entries: int,
        wanted: Sequence[Collection[int]],
        known: Sequence[np.ndarray | None],
    ) -> tuple[list[dict[int, Cut]], list[np.ndarray]]:
        """Return the cuts of each expert, and how often upper halves occur among the first ones.

        Args:
            entries: How many magnitudes there are.
            wanted: For each expert, how many to keep: at least 1 and fewer than there are.
            known: What the second result was before, for experts of which there is one.
        """
        found, counted = find_cuts(self._rows, entries, wanted, known)
        missing = [set(keep) - set(cuts) for keep, cuts in zip(wanted, found, strict=True)]
        if any(missing):
            others = stream_cuts(self, entries, missing)
            found = [cuts | more for cuts, more in zip(found, others, strict=True)]
        return found, counted

    def tallies(self, entries: int, wanted: Sequence[bool]) -> list[Magnitudes | None]:
        """Return how often each magnitude of some experts occurs, unless too many differ."""
        made = {i: Tally(entries) for i, is_wanted in enumerate(wanted) if is_wanted}
        for i, first, row in self._rows(lambda i: i in made and not made[i].gave_up, 0):
            made[i].look(first, row)
        return [made[i].found() if i in made else None for i in range(len(wanted))]

    def last(self, i: int, place: Place) -> int:
        """Return the index of the last entry that is kept of those equal to a cut."""
        left = place.left - place.skipped
        for _, first, row in self._rows(lambda j: j == i, place.since):
            at, left = find_equal(row, np.uint32(place.bits), left)
            if at >= 0:
                return first + at
        raise AssertionError("counts and magnitudes are not of the same models")

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        """Return how often each upper half occurs, for the experts that are wanted."""
        counts = [np.zeros(HIGH_BINS, np.int64) for _ in wanted]
        for i, _, row in self._rows(lambda i: wanted[i], 0):
            count_high(row, counts[i])
        if any(count[INFINITY:].any() for count in counts):
            self._check()
        return counts

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        counts = [{upper: np.zeros(LOW_BINS, np.int64) for upper in some} for some in wanted]
        for i, _, row in self._rows(lambda i: bool(counts[i]), 0):
            for upper, count in counts[i].items():
                count_low(row, np.uint32(upper), count)
        return counts

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        """Return the index of the n-th magnitude with some bits, for pairs of bits and n."""
        found = [[-1] * len(some) for some in wanted]
        left = [[nth for _, nth in some] for some in wanted]
        for i, first, row in self._rows(lambda i: any(left[i]), 0):
            for j, (bits, _) in enumerate(wanted[i]):
                if left[i][j]:
                    at, left[i][j] = find_equal(row, np.uint32(bits), left[i][j])
                    found[i][j] = first + at if at >= 0 else -1
        return found

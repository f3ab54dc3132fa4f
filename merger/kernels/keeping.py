"""What is kept of the experts by size, a part of a tensor at a time."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from merger.cuts import Cut
from merger.kernels.block import Block
from merger.kernels.picks import band, change, sieve, sieve_itself, trim
from merger.kernels.row_bands import band_rows
from merger.kernels.rules import Rule, each_of

NONE, INFINITY = np.float32(np.nan), np.float32(np.inf)


class Keeper(Protocol):
    """Says what is kept of each expert.

    Parts begin at multiples of `step`, and end there or with the tensor.
    """

    step: int

    def rules(self, block: Block) -> Iterator[Rule] | None:
        """Yield what is kept of a block as loops in registers take it, if they can."""
        return None

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        ...


class Whole(Keeper):
    """Keeps everything.

    Args:
        weights: What changes are multiplied by.
    """

    step = 1

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = weights

    def rules(self, block: Block) -> Iterator[Rule]:
        """Yield what is kept of a block as loops in registers take it."""
        yield Rule(slice(0, len(block.base)), each_of(self._weights), None, None, None)

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        return change(expert, base, np.float32(self._weights[i]), kept)


class Trims(Keeper):
    """Keeps what survives a cut.

    Args:
        cuts: One per expert.
        first: The index of the tensor's first entry in the order of the cuts.
        weights: What changes are multiplied by after they were ranked.
    """

    step = 1

    def __init__(self, cuts: Sequence[Cut], first: int, weights: Sequence[float]) -> None:
        self._cuts = cuts
        self._first = first
        self._weights = weights

    def rules(self, block: Block) -> Iterator[Rule]:
        """Yield what is kept of a block as loops in registers take it."""
        weights = each_of(self._weights)
        for at, least in _spans(self._cuts, self._first + block.start, len(block.base)):
            yield Rule(at, weights, None, tuple(least), None)

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, worst = np.float32(self._weights[i]), 0
        for at, (least,) in _spans([self._cuts[i]], self._first + start, len(kept)):
            worst = max(worst, trim(expert[at], base[at], weight, least, kept[at]))
        return worst


class Bands(Keeper):
    """Keeps what survives a cut and does not survive a higher one.

    Args:
        cuts: For each expert the higher cut and the lower one, over the tensor.
        weights: What changes are multiplied by after they were ranked.
    """

    step = 1

    def __init__(self, cuts: Sequence[tuple[Cut, Cut]], weights: Sequence[float]) -> None:
        self._cuts = cuts
        self._weights = weights

    def rules(self, block: Block) -> Iterator[Rule]:
        """Yield what is kept of a block as loops in registers take it."""
        weights = each_of(self._weights)
        cuts = [cut for pair in self._cuts for cut in pair]
        for at, least in _spans(cuts, block.start, len(block.base)):
            yield Rule(at, weights, None, tuple(least[1::2]), tuple(least[::2]))

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, worst = np.float32(self._weights[i]), 0
        for at, (high, low) in _spans(self._cuts[i], start, len(kept)):
            worst = max(worst, band(expert[at], base[at], weight, high, low, kept[at]))
        return worst


class RowBands(Keeper):
    """Keeps of each row the changes of some ranks.

    Args:
        ranks: For each expert the first rank that is kept, and the first one after it that is not.
        columns: Entries of a row.
        weights: What changes are multiplied by after they were ranked.
    """

    def __init__(
        self, ranks: Sequence[tuple[int, int]], columns: int, weights: Sequence[float]
    ) -> None:
        self.step = columns
        self._ranks = ranks
        self._weights = weights

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight = np.float32(self._weights[i])
        return band_rows(expert, base, weight, self.step, *self._ranks[i], kept)


class Sieved(Keeper):
    """Keeps what survives a cut of what another keeper leaves.

    Args:
        ranked: Leaves what is ranked, without coefficients.
        kept: Leaves the same with coefficients; None where they are all 1.
        cuts: One per expert.
        first: The index of the tensor's first entry in the order of the cuts.
    """

    def __init__(
        self, ranked: Keeper, kept: Keeper | None, cuts: Sequence[Cut], first: int
    ) -> None:
        self.step = ranked.step
        self.nbytes = sum(getattr(keeper, "nbytes", 0) for keeper in (ranked, kept))
        self._ranked = ranked
        self._kept = kept
        self._cuts = cuts
        self._first = first

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        row = kept if self._kept is None else np.empty_like(kept)
        worst = self._ranked.keep(i, expert, base, start, row)
        if self._kept is not None:
            worst = max(worst, self._kept.keep(i, expert, base, start, kept))
        for at, (least,) in _spans([self._cuts[i]], self._first + start, len(kept)):
            if self._kept is None:
                sieve_itself(least, kept[at])
            else:
                sieve(row[at], least, kept[at])
        return worst


def _spans(
    cuts: Sequence[Cut], first: int, length: int
) -> Iterator[tuple[slice, list[np.float32]]]:
    """Yield spans of a row, and the least size that survives each cut there.

    Up to its last index a cut lets equal sizes survive, beyond it only larger ones.
    """
    ends = {min(max(cut.last + 1 - first, 0), length) for cut in cuts}
    start = 0
    for stop in sorted({*ends, length} - {0}):
        yield slice(start, stop), [_least(cut, first + start) for cut in cuts]
        start = stop


def _least(cut: Cut, at: int) -> np.float32:
    """Return the least size that survives a cut at some index; NaN where nothing does."""
    threshold = np.float32(cut.threshold)
    if at <= cut.last:
        return threshold
    return NONE if np.isinf(threshold) else np.nextafter(threshold, INFINITY)

"""What is kept of the experts: cut, banded or drawn by lot, a part of a tensor at a time."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from merger.cuts import Cut
from merger.kernels.lots import KnownLots, Lots, RankedLots
from merger.kernels.picks import band, change, divide, drop, sieve, sieve_itself, trim
from merger.kernels.row_bands import band_rows

ONE, NONE, INFINITY = np.float32(1.0), np.float32(np.nan), np.float32(np.inf)


class Keeper(Protocol):
    """Writes what is kept of each expert.

    Parts begin at multiples of `step`, and end there or with the tensor.
    """

    step: int

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        ...


class Whole:
    """Keeps everything.

    Args:
        weights: What changes are multiplied by.
    """

    step = 1

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = weights

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        return change(expert, base, np.float32(self._weights[i]), kept)


class Trims:
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

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, worst = np.float32(self._weights[i]), 0
        for at, (least,) in _spans([self._cuts[i]], self._first + start, len(kept)):
            worst = max(worst, trim(expert[at], base[at], weight, least, kept[at]))
        return worst


class Bands:
    """Keeps what survives a cut and does not survive a higher one.

    Args:
        cuts: For each expert the higher cut and the lower one, over the tensor.
        weights: What changes are multiplied by after they were ranked.
    """

    step = 1

    def __init__(self, cuts: Sequence[tuple[Cut, Cut]], weights: Sequence[float]) -> None:
        self._cuts = cuts
        self._weights = weights

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, worst = np.float32(self._weights[i]), 0
        for at, (high, low) in _spans(self._cuts[i], start, len(kept)):
            worst = max(worst, band(expert[at], base[at], weight, high, low, kept[at]))
        return worst


class RowBands:
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


class Drops:
    """Keeps what the lots say, divided and multiplied by a number per expert.

    Args:
        lots: Who is kept.
        below: What changes are divided by, one per expert.
        factors: What they are multiplied by afterwards.
        weights: What they are multiplied by before.
    """

    def __init__(
        self,
        lots: Lots,
        below: Sequence[float],
        factors: Sequence[float],
        weights: Sequence[float],
    ) -> None:
        self.step = lots.step
        self.nbytes = getattr(lots, "nbytes", 0)
        self._lots = lots
        self._numbers = [
            (np.float32(w), np.float32(b), np.float32(f))
            for w, b, f in zip(weights, below, factors, strict=True)
        ]

    @classmethod
    def restored(cls, lots: KnownLots, weights: Sequence[float]) -> "Drops":
        """Return drops that give each expert its sum of magnitudes back."""
        return cls(lots, [1.0] * len(weights), lots.factors, weights)

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, below, factor = self._numbers[i]
        flags = self._lots.flags(i, expert, base, start)
        return drop(expert, base, weight, flags, below, factor, kept)


class Prunes:
    """Keeps what lots of unequal chances say, each entry divided by its own chance.

    Args:
        lots: Who is kept.
        weights: What changes are multiplied by before.
    """

    def __init__(self, lots: RankedLots, weights: Sequence[float]) -> None:
        self.step = lots.step
        self._lots = lots
        self._weights = weights

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        chances = self._lots.chances(i, expert, base)
        flags = self._lots.drawn(i, chances, start)
        worst = drop(expert, base, np.float32(self._weights[i]), flags, ONE, ONE, kept)
        divide(kept, chances)
        return worst


class Sieved:
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

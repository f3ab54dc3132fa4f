"""What is kept of the experts by lot, a part of a tensor at a time."""

from collections.abc import Iterator, Sequence

import numpy as np

from merger.kernels.block import Block
from merger.kernels.keeping import Keeper
from merger.kernels.lots import KnownLots, Lots, RankedLots
from merger.kernels.marked import MarkedLots
from merger.kernels.picks import divide, drop
from merger.kernels.rules import Rule, each_of

ONE = np.float32(1.0)
# The flags of so many entries of each expert stay in the cache of a processor.
PART = 1 << 16


class Drops(Keeper):
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
        self._weights, self._below, self._factors = (
            tuple(map(np.float32, numbers)) for numbers in (weights, below, factors)
        )

    @classmethod
    def restored(cls, lots: KnownLots | MarkedLots, weights: Sequence[float]) -> "Drops":
        """Return drops that give each expert its sum of magnitudes back."""
        return cls(lots, [1.0] * len(weights), lots.factors, weights)

    def rules(self, block: Block) -> Iterator[Rule] | None:
        """Yield what is kept of a block as loops in registers take it."""
        weights, below, factors = map(each_of, (self._weights, self._below, self._factors))
        part = len(block.base) if self._lots.has_marks else PART
        step = max(1, part // self.step) * self.step
        for start in range(0, len(block.base), step):
            at = slice(start, start + step)
            rows, base = [expert[at] for expert in block.experts], block.base[at]
            marks = self._lots.marks(rows, base, block.start + start)
            yield Rule(at, weights, marks, below, factors)

    def keep(
        self, i: int, expert: np.ndarray, base: np.ndarray, start: int, kept: np.ndarray
    ) -> int:
        """Write what is kept of expert i from entry `start` on; return the largest exponent."""
        weight, below, factor = self._weights[i], self._below[i], self._factors[i]
        flags = self._lots.flags(i, expert, base, start)
        return drop(expert, base, weight, flags, below, factor, kept)


class Prunes(Keeper):
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

"""Which changes are kept by lot: flags for any part of a tensor, remembered while it is merged."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from merger.kernels.draws import chance_flags, even_flags
from merger.kernels.flags import HELD_FLAGS, PACK, pack, unpack
from merger.kernels.ranks import Ranker
from merger.kernels.sizes import CHUNKS, magnitudes
from merger.sums import CHUNK


class Lots(Protocol):
    """Draws which entries of each expert are kept.

    Parts begin at multiples of `step`, and end there or with the tensor.
    """

    step: int

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        ...


class EvenLots:
    """Keeps each entry of an expert with the same chance.

    Args:
        keys: Each expert's key for this tensor.
        densities: The chances, one per expert.
    """

    step = 1

    def __init__(self, keys: Sequence[int], densities: Sequence[float]) -> None:
        self._keys = [np.uint64(key) for key in keys]
        # A draw in float32 lies below the density where its 24 bits lie below this number.
        self._thresholds = [int(np.ceil(np.float32(d) * 2.0**24)) for d in densities]

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        found = np.empty(len(base), np.uint8)
        even_flags(self._keys[i], self._thresholds[i], start, found)
        return found


class RankedLots:
    """Keeps each entry of an expert with a chance that its rank in its row decides.

    Args:
        keys: Each expert's key for this tensor.
        tables: For each expert the chances by rank, float32, as long as a row.
    """

    def __init__(self, keys: Sequence[int], tables: Sequence[np.ndarray]) -> None:
        self.step = len(tables[0])
        self._keys = [np.uint64(key) for key in keys]
        self._tables = tables

    def chances(self, i: int, expert: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Return the chance of each entry of some whole rows."""
        found = np.empty(len(base), np.float32)
        Ranker(self.step).spread(expert, base, self._tables[i], found)
        return found

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        return self.drawn(i, self.chances(i, expert, base), start)

    def drawn(self, i: int, chances: np.ndarray, start: int) -> np.ndarray:
        """Return the flags of entries with these chances."""
        found = np.empty(len(chances), np.uint8)
        chance_flags(self._keys[i], chances, start, found)
        return found


class HeldLots:
    """Lots that are drawn once for a whole tensor and held as bits, if they are not too many.

    Args:
        lots: What draws them.
        experts: The whole tensor of each expert as it is stored.
        base: The base's.
    """

    step = 1

    def __init__(self, lots: Lots, experts: Sequence[np.ndarray], base: np.ndarray) -> None:
        self._lots = lots
        size = len(experts) * len(base) // PACK
        self._packed: list[np.ndarray] | None = None
        if size <= HELD_FLAGS or lots.step > 1:
            self._packed = [_packed(lots, i, row, base) for i, row in enumerate(experts)]
        self.nbytes = size if self._packed is not None else 0

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        if self._packed is None:
            return self._lots.flags(i, expert, base, start)
        return unpack(self._packed[i], start, start + len(base))


class KnownLots(HeldLots):
    """Held lots, with what they leave of a tensor's sums of magnitudes.

    Args:
        lots: What draws them.
        experts: The whole tensor of each expert as it is stored.
        base: The base's.
        weights: What changes are multiplied by.
    """

    def __init__(
        self,
        lots: Lots,
        experts: Sequence[np.ndarray],
        base: np.ndarray,
        weights: Sequence[float],
    ) -> None:
        super().__init__(lots, experts, base)
        self.factors = self._factors(experts, base, weights)

    def _factors(
        self, experts: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]
    ) -> list[float]:
        """Return what gives each expert's kept entries the sum of magnitudes that all had."""
        whole, left = [0.0] * len(experts), [0.0] * len(experts)
        step = CHUNKS * CHUNK
        for start in range(0, len(base), step):
            origin = base[start : start + step]
            for i, (expert, weight) in enumerate(zip(experts, weights, strict=True)):
                few = expert[start : start + step]
                flags = self.flags(i, few, origin, start)
                for sums in magnitudes(few, origin, weight, flags):
                    whole[i], left[i] = whole[i] + sums[0], left[i] + sums[1]
        both = zip(whole, left, strict=True)
        return [all_had / has if has > 0.0 else 1.0 for all_had, has in both]


def _packed(lots: Lots, i: int, expert: np.ndarray, base: np.ndarray) -> np.ndarray:
    # Whole rows, and whole bytes.
    step = max(1, CHUNKS * CHUNK // (PACK * lots.step)) * PACK * lots.step
    parts = (slice(start, start + step) for start in range(0, len(base), step))
    drawn = ((at.start, lots.flags(i, expert[at], base[at], at.start)) for at in parts)
    return pack(drawn, len(base))

"""Which changes are kept by lot: flags for any part of a tensor, remembered while it is merged."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from merger.kernels.byte_marks import marks_of
from merger.kernels.draws import chance_flags, even_flags
from merger.kernels.flags import HELD_FLAGS, PACK, put, unpack
from merger.kernels.ranks import Ranker
from merger.kernels.sizes import CHUNKS, magnitudes
from merger.sums import CHUNK

# Entries that are drawn and added up together: whole chunks.
PART = 2 * CHUNKS * CHUNK


class Lots(Protocol):
    """Draws which entries of each expert are kept.

    Parts begin at multiples of `step`, and end there or with the tensor.
    """

    step: int
    # Whether marks lie ready, so that a part may be long.
    has_marks: bool = False

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        ...

    def marks(self, experts: Sequence[np.ndarray], base: np.ndarray, start: int) -> np.ndarray:
        """Return a byte for each entry, with bit i for expert i of up to eight."""
        found = np.zeros(len(base), np.uint8)
        for i, expert in enumerate(experts):
            found |= self.flags(i, expert, base, start) << np.uint8(i)
        return found


class EvenLots(Lots):
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

    @property
    def draws(self) -> tuple[np.ndarray, np.ndarray]:
        """What loops draw by: each expert's key, uint64, and threshold, int64."""
        return np.array(self._keys, np.uint64), np.array(self._thresholds, np.int64)

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        found = np.empty(len(base), np.uint8)
        even_flags(self._keys[i], self._thresholds[i], start, found)
        return found


class RankedLots(Lots):
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


class HeldLots(Lots):
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
        self._packed: np.ndarray | None = None
        if size <= HELD_FLAGS or lots.step > 1:
            self._packed = np.empty((len(experts), -(-len(base) // PACK)), np.uint8)
            self._fill(experts, base)
        self.nbytes = size if self._packed is not None else 0

    def _fill(self, experts: Sequence[np.ndarray], base: np.ndarray) -> None:
        # Whole rows, and whole bytes.
        step = max(1, PART // (PACK * self._lots.step)) * PACK * self._lots.step
        for i, expert in enumerate(experts):
            for start in range(0, len(base), step):
                at = slice(start, start + step)
                self._draw(i, expert[at], base[at], start)

    def _draw(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Draw flags from `start` on, a multiple of 8, and hold them if any are held."""
        flags = self._lots.flags(i, expert, base, start)
        if self._packed is not None:
            put(self._packed[i], start, flags)
        return flags

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        if self._packed is None:
            return self._lots.flags(i, expert, base, start)
        return unpack(self._packed[i], start, start + len(base))

    def marks(self, experts: Sequence[np.ndarray], base: np.ndarray, start: int) -> np.ndarray:
        """Return a byte for each entry, with bit i for expert i of up to eight."""
        if self._packed is None:
            return self._lots.marks(experts, base, start)
        return marks_of(self._packed, start, start + len(base))


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

    def _fill(self, experts: Sequence[np.ndarray], base: np.ndarray) -> None:
        # What goes by rows is drawn before sums are made, which do not; other lots are meanwhile.
        if self._lots.step > 1:
            super()._fill(experts, base)

    def _factors(
        self, experts: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]
    ) -> list[float]:
        """Return what gives each expert's kept entries the sum of magnitudes that all had."""
        whole, left = [0.0] * len(experts), [0.0] * len(experts)
        look = self.flags if self._lots.step > 1 else self._draw
        for start in range(0, len(base), PART):
            origin = base[start : start + PART]
            for i, (expert, weight) in enumerate(zip(experts, weights, strict=True)):
                few = expert[start : start + PART]
                flags = look(i, few, origin, start)
                for sums in magnitudes(few, origin, weight, flags):
                    whole[i], left[i] = whole[i] + sums[0], left[i] + sums[1]
        both = zip(whole, left, strict=True)
        return [all_had / has if has > 0.0 else 1.0 for all_had, has in both]

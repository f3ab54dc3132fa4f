"""Which entries of a tensor SCE selects: those in which the experts differ most."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from merger.cuts import EVERYTHING, NOTHING, Cut, survives
from merger.kernels.counting import UNSIGNED
from merger.kernels.flags import HELD_SPREADS, PACK, put, unpack
from merger.kernels.lots import Lots
from merger.kernels.one_pass import Row
from merger.kernels.spreads import variance
from merger.kernels.stored_counts import PART, StoredCounts


class Selected(Lots):
    """Entries that count for every expert, remembered while their tensor is merged.

    Args:
        experts: The whole tensor of each expert as it is stored.
        base: The base's.
        weights: What changes are multiplied by.
        share: The share of the entries that differ at all.
    """

    step = 1

    def __init__(
        self,
        experts: Sequence[np.ndarray],
        base: np.ndarray,
        weights: Sequence[float],
        share: float,
    ) -> None:
        self._experts = experts
        self._base = base
        self._weights = weights
        self._held: list[tuple[int, np.ndarray]] = []
        if len(base) <= HELD_SPREADS:
            self._held = list(self._spreads())
        differing = sum(int(np.count_nonzero(row)) for _, row in self._spreads())
        cut = self._cut(int(share * differing))
        self._packed = np.empty(-(-len(base) // PACK), np.uint8)
        for start, row in self._spreads():
            put(self._packed, start, survives(row, cut, start))
        self.nbytes = self._packed.nbytes
        # Only the flags are kept: the tensors stay where they are.
        del self._experts, self._base, self._held

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries that are selected and 0 for others, from `start` on."""
        return self.at(start, start + len(base))

    def marks(self, experts: Sequence[np.ndarray], base: np.ndarray, start: int) -> np.ndarray:
        """Return a byte for each entry, with all bits where it is selected and none elsewhere."""
        return self.at(start, start + len(base)) * np.uint8(255)

    def at(self, start: int, stop: int) -> np.ndarray:
        """Return 1 for entries that are selected and 0 for others."""
        return unpack(self._packed, start, stop)

    def _cut(self, count: int) -> Cut:
        if count >= len(self._base):
            return EVERYTHING

        def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
            for start, row in self._spreads():
                if not is_wanted(0):
                    break
                if start >= since:
                    # A variance that is no number may have a sign.
                    yield 0, start, row.view(np.uint32) & UNSIGNED

        if count <= 0:
            return NOTHING
        (found,), _ = StoredCounts(rows, lambda: None).cuts(len(self._base), [[count]], [None])
        return found[count]

    def _spreads(self) -> Iterator[tuple[int, np.ndarray]]:
        if self._held:
            yield from self._held
            return
        for start in range(0, len(self._base), PART):
            part = slice(start, start + PART)
            few = [expert[part] for expert in self._experts]
            yield start, variance(few, self._base[part], self._weights)

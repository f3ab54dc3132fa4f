"""What is measured about one set of experts, kept as long as the set is."""

from collections.abc import Callable, Hashable
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from merger.diagnostics.cancelled import CancelledInfo, CancelledMeter
from merger.diagnostics.cosine import CosineInfo, gram_by_slot, measure_cosine, weighted_cosine
from merger.diagnostics.grid import Grid, grid_of
from merger.diagnostics.histogram import HistogramInfo, measure_histogram
from merger.diagnostics.norms import NormsInfo, measure_norms, with_merged
from merger.diagnostics.overlap import OverlapInfo, SupportMeter
from merger.diagnostics.signs import SignsInfo, measure_signs
from merger.lru import Lru
from merger.stack import Stack

KEPT = 64
T = TypeVar("T")


class Measures:
    """Measures one stack; what a slider does not change is computed once.

    Args:
        stack: The task vectors of the experts in use.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._kept: Lru[Any] = Lru(KEPT)
        self._first = Lock()

    @cached_property
    def grid(self) -> Grid:
        """Where each tensor stands in the layer × module table."""
        return grid_of(self.stack.slots)

    @cached_property
    def grams(self) -> np.ndarray:
        """Inner products of the task vectors per tensor."""
        return gram_by_slot(self.stack)

    @cached_property
    def _cancelled(self) -> CancelledMeter:
        return CancelledMeter(self.stack, grid=self.grid)

    @cached_property
    def _supports(self) -> SupportMeter:
        return SupportMeter(self.stack)

    def cosine(self, weights: np.ndarray) -> CosineInfo:
        """Return the cosines of the weighted task vectors."""
        signs = tuple(_signs(weights))
        plain = self._keep("cosine", lambda: measure_cosine(self.stack, self.grams))
        return self._keep(("cosine", signs), lambda: weighted_cosine(plain, signs))

    def signs(self, weights: np.ndarray) -> SignsInfo:
        """Return the sign conflict; only the signs of the weights matter."""
        signs = tuple(_signs(weights))
        return self._keep(("signs", signs), lambda: measure_signs(self.stack, signs, self.grid))

    def cancelled(self, weights: np.ndarray) -> CancelledInfo:
        """Return how much of the weighted change cancels."""
        key = ("cancelled", weights.tobytes(), weights.shape)
        return self._keep(key, lambda: self._cancelled.measure(weights))

    def overlap(self, share: float) -> OverlapInfo:
        """Return the overlap of the experts' largest changes."""
        share = round(share, 4)
        return self._keep(("overlap", share), lambda: self._supports.measure(share))

    def norms(self, merged: np.ndarray) -> NormsInfo:
        """Return the norms of the experts and of a merged model."""
        return with_merged(self.moved(), self.stack, merged, self.grid)

    def moved(self) -> NormsInfo:
        """Return the norms of the experts alone."""
        return self._keep("norms", lambda: measure_norms(self.stack, self.grams, self.grid))

    def histogram(self, key: str, weights: np.ndarray) -> HistogramInfo:
        """Return what the experts did to one tensor."""
        mark = ("histogram", key, weights.tobytes())
        return self._keep(mark, lambda: measure_histogram(self.stack, key, list(weights)))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what belongs to these experts under this key; made where it is not kept."""
        return self._kept.get_or_make(key, make)

    def _keep(self, key: Any, make: Any) -> Any:
        with self._first:  # the cached properties above are not safe to fill twice at once
            return self._kept.get_or_make(key, make)


def _signs(weights: np.ndarray) -> np.ndarray:
    """Return one sign per expert; an expert whose sign changes with depth counts as it is."""
    signs = np.sign(weights)
    if signs.ndim == 1:
        return signs
    same = (signs == signs[:, :1]).all(1)
    return np.where(same, signs[:, 0], 1.0)

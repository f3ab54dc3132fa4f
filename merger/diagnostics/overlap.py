"""Do the experts change the same weights? Overlap of their largest changes.

An expert's support is its k largest changes by magnitude: exactly k, ties by lowest index. The
Jaccard overlap of two supports is |both| / |either|. The null moves each support at random
inside its tensor and keeps how much of it lies in each tensor, so that two experts that merely
change the same tensors do not look alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import comb, floor
from typing import Literal

import numpy as np

from merger.diagnostics.sampling import Z95, ratio_half_width
from merger.diagnostics.signs import Rate
from merger.errors import FeedError
from merger.info import Info
from merger.stack import Stack

Scope = Literal["model", "tensor"]
SMALL = 256  # up to so many expected hits at most, the null is summed exactly


@dataclass(frozen=True, eq=False)
class OverlapInfo(Info):
    """Overlap of every pair of supports.

    Args:
        experts: The experts' names.
        share: Share of the weights in each support.
        scope: Whether the share is taken over the model or tensor by tensor.
        sizes: Entries in each expert's support, shape (n,).
        jaccard: |both| / |either| per pair with its permutation null, shape (n, n).
        half_width: 95 % half-width per pair when sampled, else zeros.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    experts: tuple[str, ...]
    share: float
    scope: str
    sizes: np.ndarray
    jaccard: Rate
    half_width: np.ndarray
    sample: float | None


class SupportMeter:
    """Measures overlap again and again while the share changes.

    Args:
        stack: The task vectors.
        scope: Whether each expert's largest are taken over the model or tensor by tensor.
    """

    def __init__(self, stack: Stack, scope: Scope = "model") -> None:
        self.stack = stack
        self.scope: Scope = scope
        whole = [(0, stack.tau.shape[1])]
        self._spans = whole if scope == "model" else [(s.start, s.stop) for s in stack.slots]
        # Where each drawn entry stands for its own number of others, ranks are what is needed.
        self._ranked = stack.sample is not None and scope == "model"
        prepare = _order if self._ranked else partial(_sort_spans, spans=self._spans)
        self._sorted = [prepare(np.abs(row)) for row in stack.tau]
        self._sizes = np.array([s.stop - s.start for s in stack.slots], np.float64)

    def measure(self, share: float = 0.2) -> OverlapInfo:
        """Measure the overlap of supports that hold this share of the weights."""
        if not 0 <= share <= 1:
            raise FeedError(f"overlap: share must be between 0 and 1, got {share}.")
        n, stack = self.stack.n, self.stack
        supports = [self.support(i, share) for i in range(n)]
        counts = np.array([self._per_slot(s) for s in supports]).reshape(n, -1)  # (n, slots)
        packed = [np.packbits(s) for s in supports]
        value, null, half, width = (np.zeros((n, n)) for _ in range(4))
        for i in range(n):
            for j in range(i, n):
                value[i, j] = value[j, i] = self._jaccard(supports, packed, counts, i, j)
                if i == j:
                    null[i, i] = value[i, i]
                    continue
                null[i, j], half[i, j] = self._chance(counts[i], counts[j])
                null[j, i], half[j, i] = null[i, j], half[i, j]
                if stack.sample is not None:
                    both, either = supports[i] & supports[j], supports[i] | supports[j]
                    off = ratio_half_width(stack, both.astype(float), either.astype(float))
                    width[i, j] = width[j, i] = off
        sizes = (counts * stack.expand).sum(1)
        rate = Rate(value, null, half)
        return OverlapInfo(stack.names, share, self.scope, sizes, rate, width, stack.sample)

    def support(self, row: int, share: float) -> np.ndarray:
        """Return which entries are among an expert's largest: exactly k, lowest index first."""
        tau, ordered = self.stack.tau[row], self._sorted[row]
        out = np.zeros(len(tau), bool)
        if self._ranked:
            return _weighted_top(ordered, self._weights, share)
        for a, b in self._spans:
            k = support_size(share, b - a)
            _mark_top(tau[a:b], ordered[a:b], k, out[a:b])
        return out

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.repeat(self.stack.expand, self._sizes.astype(np.int64))

    def _per_slot(self, support: np.ndarray) -> np.ndarray:
        return np.add.reduceat(support, self.stack.starts, dtype=np.int64)

    def _jaccard(
        self,
        supports: Sequence[np.ndarray],
        packed: Sequence[np.ndarray],
        counts: np.ndarray,
        i: int,
        j: int,
    ) -> float:
        if self.stack.sample is None:
            both = float(np.bitwise_count(packed[i] & packed[j]).sum(dtype=np.int64))
            either = float(counts[i].sum() + counts[j].sum()) - both
        else:
            inside = self._per_slot(supports[i] & supports[j])
            both = float((inside * self.stack.expand).sum())
            either = float(((counts[i] + counts[j]) * self.stack.expand).sum()) - both
        return both / either if either else float("nan")

    def _chance(self, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        """Return mean and 95 % half-width of the Jaccard of supports moved inside tensors."""
        e, size = self.stack.expand, self._sizes
        if self.stack.sample is None and np.minimum(a, b).sum() <= SMALL:
            return _exact_chance(a, b, size)
        mean = a * b / size
        loose = np.maximum(size - 1, 1)
        spread = mean * (1 - a / size) * (size - b) / loose  # hypergeometric variance
        total, both = float(((a + b) * e).sum()), float((mean * e).sum())
        variance = float((spread * e * e).sum())
        if total == 0:
            return float("nan"), float("nan")
        rest = total - both
        expected = both / rest + total / rest**3 * variance  # second-order mean of I / (T − I)
        return expected, Z95 * total / rest**2 * variance**0.5


def measure_overlap(stack: Stack, share: float = 0.2, scope: Scope = "model") -> OverlapInfo:
    """Measure the overlap of the experts' largest changes once."""
    return SupportMeter(stack, scope).measure(share)


def support_size(share: float, numel: int) -> int:
    """Return how many entries a share keeps: the floor, but one where the share is above 0."""
    if share <= 0:
        return 0
    return numel if share >= 1 else min(numel, max(1, floor(share * numel)))


def _sort_spans(large: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    for a, b in spans:
        large[a:b].sort()
    return large


def _mark_top(tau: np.ndarray, ordered: np.ndarray, k: int, out: np.ndarray) -> None:
    """Mark the k largest magnitudes, given all of them in ascending order."""
    if k == 0:
        return
    cut = ordered[len(ordered) - k]
    first, last = (int(np.searchsorted(ordered, cut, side=s)) for s in ("left", "right"))
    need = k - (len(ordered) - last)
    if need == last - first:
        # Two comparisons touch far less memory than a copy of the magnitudes.
        np.logical_or(tau >= cut, tau <= -cut, out=out)
        return
    np.logical_or(tau > cut, tau < -cut, out=out)
    out[np.flatnonzero(np.abs(tau) == cut)[:need]] = True


def _order(large: np.ndarray) -> np.ndarray:
    """Return places by falling magnitude, the lowest index first among equals."""
    return np.argsort(-large, kind="stable").astype(np.int32)


def _weighted_top(order: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Take the largest of a sample until they stand for this share of the model."""
    reached = np.cumsum(weights[order])
    take = int(np.searchsorted(reached, share * reached[-1], side="right"))
    out = np.zeros(len(order), bool)
    out[order[: max(take, int(share > 0))]] = True
    return out


def _exact_chance(a: np.ndarray, b: np.ndarray, size: np.ndarray) -> tuple[float, float]:
    chances = np.ones(1)
    for x, y, n in zip(a.astype(int), b.astype(int), size.astype(int), strict=True):
        low, high = max(0, x + y - n), min(x, y)
        ways = comb(n, y)
        row = [comb(x, h) * comb(n - x, y - h) / ways for h in range(low, high + 1)]
        chances = np.convolve(chances, np.concatenate([np.zeros(low), row]))
    hits = np.arange(len(chances))
    total = float((a + b).sum())
    if total == 0:
        return float("nan"), float("nan")
    jaccard = hits / (total - hits)
    mean = float(chances @ jaccard)
    return mean, Z95 * float(chances @ (jaccard - mean) ** 2) ** 0.5

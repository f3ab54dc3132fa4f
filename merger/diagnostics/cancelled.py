"""How much of the experts' change is lost because they pull against each other.

Cancelled mass = 1 − Σ|Σᵢ wᵢτᵢ| / Σ Σᵢ|wᵢτᵢ|: 0 when all pull the same way everywhere, 1 when
nothing is left. The null flips every sign at random on the same weighted magnitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.diagnostics.grid import Grid, grid_of, ratio
from merger.diagnostics.sampling import Z95, ratio_half_width
from merger.diagnostics.signs import Rate
from merger.info import Info
from merger.stack import Stack, keyed

COORDINATES = 20_000  # how many entries the null is computed on
EXACT = 8  # up to so many experts, every pattern of signs is tried
WORK = COORDINATES * 32  # patterns × coordinates that a slider move can afford
DRAWS = 16


@dataclass(frozen=True, eq=False)
class CancelledInfo(Info):
    """Cancelled mass of a weighted set of experts.

    Args:
        experts: The experts' names.
        weights: Coefficients, shape (n,), or (n, slots) when they change with depth.
        mass: Cancelled mass of the whole model, with its null and band.
        grid: The layer × module table.
        cells: Cancelled mass per cell, shape (modules, layers), NaN where a cell is empty.
        half_width: 95 % half-width of the mass when sampled, else 0.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    experts: tuple[str, ...]
    weights: np.ndarray
    mass: Rate
    grid: Grid
    cells: Rate
    half_width: float
    sample: float | None


class CancelledMeter:
    """Measures cancelled mass again and again while weights change.

    Args:
        stack: The task vectors.
        seed: Which coordinates the null is computed on.
        grid: The layer × module table when it is at hand already.
    """

    def __init__(self, stack: Stack, seed: int = 0, grid: Grid | None = None) -> None:
        self.stack = stack
        self.grid = grid or grid_of(stack.slots)
        spans = [slice(s.start, s.stop) for s in stack.slots]
        self._sizes = np.array(
            [[np.abs(row[span]).sum(dtype=np.float64) for span in spans] for row in stack.tau]
        )  # (n, slots)
        self._patterns = sign_patterns(stack.n)
        budget = WORK // len(self._patterns) if stack.n <= EXACT else COORDINATES // 4
        self._at, self._owner = _coordinates(stack, min(COORDINATES, budget), seed)
        self._large = np.abs(stack.tau[:, self._at])  # (n, coordinates)
        drawn = np.bincount(self._owner, minlength=len(stack.slots))
        here = np.array([s.stop - s.start for s in stack.slots])
        self._stands_for = (here / np.maximum(drawn, 1))[self._owner]
        self._seed = seed

    def measure(self, weights: Sequence[float] | np.ndarray | None = None) -> CancelledInfo:
        """Measure with these coefficients, shape (n,) or (n, slots); 1 each when None."""
        stack = self.stack
        w = np.ones(stack.n) if weights is None else np.asarray(weights, np.float64)
        # The mass does not change with scale, and float32 stays in range whatever a visitor types.
        wide = np.broadcast_to(w[:, None] if w.ndim == 1 else w, self._sizes.shape)
        wide = wide / (np.abs(wide).max(initial=0.0) or 1.0)
        left = self._left(wide) * stack.expand
        total = (np.abs(wide) * self._sizes).sum(0) * stack.expand
        null = self._null(wide)
        whole = _rate(left.sum(), total.sum(), *(x.sum() for x in null))
        cells = _rate(*(self.grid.gather(x) for x in (left, total, *null)))
        return CancelledInfo(
            stack.names, w, whole, self.grid, cells, self._half_width(wide), stack.sample
        )

    def _left(self, wide: np.ndarray) -> np.ndarray:
        """Return Σ|Σᵢ wᵢτᵢ| per slot."""
        w = wide.astype(np.float32)
        out = np.empty(len(self.stack.slots))
        for i, slot in enumerate(self.stack.slots):
            summed = w[:, i] @ self.stack.tau[:, slot.start : slot.stop]
            out[i] = np.abs(summed, out=summed).sum()
        return out

    def _null(self, wide: np.ndarray) -> list[np.ndarray]:
        """Return per slot what is left on average, of how much, and two variances."""
        heavy = np.abs(wide).astype(np.float32)[:, self._owner] * self._large
        mean, square = self._flipped(heavy)
        total = heavy.sum(0, dtype=np.float64)
        slots = len(self.stack.slots)
        expand = self._stands_for * self.stack.expand[self._owner]

        def add(values: np.ndarray) -> np.ndarray:
            return np.bincount(self._owner, weights=values, minlength=slots)

        # One flipped model differs from the mean by the flips of all its entries; the mean
        # itself is off because it is computed on some entries only.
        flips = add(np.maximum(square - mean**2, 0.0) * expand * self.stack.expand[self._owner])
        lost = add(mean * expand), add(total * expand)
        share = ratio(*lost)[self._owner]
        off = mean - np.nan_to_num(share) * total
        spread = add(off**2 * expand**2 * (1.0 - 1.0 / self._stands_for))
        return [*lost, flips, spread]

    def _flipped(self, heavy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and mean square of |Σ ±m| over sign patterns, per coordinate."""
        square = np.square(heavy, dtype=np.float64).sum(0)  # cross terms cancel over patterns
        if len(heavy) <= EXACT:
            sums = self._patterns @ heavy  # (patterns, coordinates)
            return np.abs(sums, out=sums).mean(0, dtype=np.float64), square
        total = np.zeros(heavy.shape[1])
        random = keyed(self._seed, "signs")
        for _ in range(DRAWS):
            signs = random.integers(0, 2, heavy.shape, np.int8) * 2 - 1
            total += np.abs((heavy * signs).sum(0))
        return total / DRAWS, square

    def _half_width(self, wide: np.ndarray) -> float:
        if self.stack.sample is None:
            return 0.0
        counts = [s.stop - s.start for s in self.stack.slots]
        w = np.repeat(wide, counts, axis=1) * self.stack.tau
        return ratio_half_width(self.stack, np.abs(w.sum(0)), np.abs(w).sum(0))


def measure_cancelled(
    stack: Stack, weights: Sequence[float] | np.ndarray | None = None, seed: int = 0
) -> CancelledInfo:
    """Measure cancelled mass once."""
    return CancelledMeter(stack, seed).measure(weights)


def sign_patterns(n: int) -> np.ndarray:
    """Return every pattern of n signs whose first is +, shape (2^(n−1), n); one row above 8."""
    if n > EXACT or n == 0:
        return np.ones((1, n), np.float32)
    bits = np.arange(1 << (n - 1))[:, None] >> np.arange(n - 1)[None, :] & 1
    return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits]).astype(np.float32)


def _coordinates(stack: Stack, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw coordinates tensor by tensor, at least 32 each, keyed by the tensor's name."""
    here = stack.tau.shape[1]
    at, owner = [], []
    for i, slot in enumerate(stack.slots):
        size = slot.stop - slot.start
        take = min(size, max(32, round(count * size / max(1, here))))
        picked = keyed(seed, "null", slot.key).choice(size, take, replace=False)
        at.append(np.sort(picked) + slot.start)
        owner.append(np.full(take, i))
    return np.concatenate(at), np.concatenate(owner)


def _rate(
    left: np.ndarray, total: np.ndarray, null: np.ndarray, of: np.ndarray, *variances: np.ndarray
) -> Rate:
    value, expected = 1.0 - ratio(left, total), 1.0 - ratio(null, of)
    half = Z95 * ratio(np.sqrt(sum(variances)), of)
    return Rate(np.clip(value, 0.0, 1.0), expected, half)

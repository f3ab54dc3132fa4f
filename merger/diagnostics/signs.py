"""Where experts pull a weight in opposite directions, against what chance would do.

An entry *conflicts* when at least one expert moves it up and at least one moves it down. The
rate is the share of conflicting entries among those that at least one expert moves. The null
flips every sign at random and keeps magnitudes and zeros: an entry that z experts move then
conflicts with probability 1 − 2^(1−z), so that expectation and spread are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.diagnostics.grid import Grid, grid_of, ratio
from merger.diagnostics.sampling import Z95, ratio_half_width
from merger.info import Info
from merger.stack import Stack

PIECE = 1 << 15


@dataclass(frozen=True, eq=False)
class Rate(Info):
    """A share, and where 95 % of random signs would put it.

    Args:
        value: What is seen.
        null: What random signs give on average.
        half: Half-width of the band that holds 95 % of random signs.
    """

    value: np.ndarray
    null: np.ndarray
    half: np.ndarray

    def __post_init__(self) -> None:
        for name in ("value", "null", "half"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))

    @property
    def excess(self) -> np.ndarray:
        """Return how far the value lies above (+) or below (−) the band; 0 inside it."""
        off = self.value - self.null
        return np.sign(off) * np.maximum(np.abs(off) - self.half, 0.0)


@dataclass(frozen=True, eq=False)
class SignsInfo(Info):
    """Sign conflict of a set of experts.

    Args:
        experts: The experts' names.
        rate: Share of moved entries that conflict, whole model.
        mass: Share of Σ|τ| that lies on conflicting entries, whole model.
        pairwise: The rate of each pair alone, shape (n, n).
        joint: Pairs again, each entry weighted by |τᵢ||τⱼ|: conflict where both are large.
        grid: The layer × module table.
        cells: The rate per cell, shape (modules, layers), NaN where a cell is empty.
        cell_mass: The mass-weighted rate per cell.
        layers: The rate per layer.
        half_width: 95 % half-width of the rate when sampled, else 0.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    experts: tuple[str, ...]
    rate: Rate
    mass: Rate
    pairwise: Rate
    joint: Rate
    grid: Grid
    cells: Rate
    cell_mass: Rate
    layers: Rate
    half_width: float
    sample: float | None


def measure_signs(
    stack: Stack, weights: Sequence[float] | np.ndarray | None = None, grid: Grid | None = None
) -> SignsInfo:
    """Measure sign conflict with its random-sign baseline.

    Args:
        stack: The task vectors.
        weights: Coefficients; only their signs count: negative turns an expert round, zero
            leaves it out.
        grid: The layer × module table when it is at hand already.
    """
    signs = np.ones(stack.n) if weights is None else np.sign(np.asarray(weights, np.float64))
    grid = grid or grid_of(stack.slots)
    counts, masses = _sums(stack, signs)
    pairs, joint = _pairs(stack, signs)
    e = stack.expand[:, None]
    counts, masses = (x * np.hstack([e, e, e, e**2]) for x in (counts, masses))
    half_width = 0.0
    if stack.sample is not None:
        moved, conflict = _entries(stack.tau, signs)
        half_width = ratio_half_width(stack, conflict.astype(float), moved.astype(float))
    return SignsInfo(
        stack.names,
        _rate(counts.sum(0)),
        _rate(masses.sum(0)),
        pairs,
        joint,
        grid,
        _rate(np.stack([grid.gather(c) for c in counts.T], -1)),
        _rate(np.stack([grid.gather(c) for c in masses.T], -1)),
        _rate(np.stack([grid.by_layer(c) for c in counts.T], -1)),
        half_width,
        stack.sample,
    )


def _rate(sums: np.ndarray) -> Rate:
    total, seen, null, variance = np.moveaxis(sums, -1, 0)
    return Rate(ratio(seen, total), ratio(null, total), Z95 * ratio(np.sqrt(variance), total))


def _entries(tau: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which entries are moved at all, and which conflict."""
    up = np.zeros(tau.shape[1], bool)
    down = np.zeros(tau.shape[1], bool)
    for row, sign in zip(tau, signs, strict=True):
        if sign:
            up |= (row > 0) if sign > 0 else (row < 0)
            down |= (row < 0) if sign > 0 else (row > 0)
    return up | down, up & down


def _sums(stack: Stack, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return per slot: total, conflicting, expected, variance; for counts and for masses."""
    counts = np.zeros((len(stack.slots), 4))
    masses = np.zeros((len(stack.slots), 4))
    active = np.abs(signs) > 0
    chance = 1.0 - 2.0 ** (1.0 - np.arange(stack.n + 1))
    chance[0] = 0.0
    for i, slot in enumerate(stack.slots):
        for at in range(slot.start, slot.stop, PIECE):
            piece = stack.tau[:, at : min(at + PIECE, slot.stop)]
            moved, conflict = _entries(piece, signs)
            mass = np.abs(piece[active]).sum(0)
            p = chance[np.count_nonzero(piece[active], axis=0)]
            q = p * (1 - p)
            counts[i] += moved.sum(), conflict.sum(), p.sum(), q.sum()
            heavy = mass.astype(np.float64)
            masses[i] += heavy.sum(), heavy @ conflict, heavy @ p, (heavy * heavy) @ q
    return counts, masses


def _pairs(stack: Stack, signs: np.ndarray) -> tuple[Rate, Rate]:
    n = stack.n
    agree, both, gram, size, square = (np.zeros((n, n)) for _ in range(5))
    moves, spread = np.zeros(n), np.zeros((n, n))
    for slot, e in zip(stack.slots, stack.expand, strict=True):
        for at in range(slot.start, slot.stop, PIECE):
            piece = stack.tau[:, at : min(at + PIECE, slot.stop)]
            large, sign = np.abs(piece), np.sign(piece)
            nonzero = np.abs(sign)
            shared = nonzero @ nonzero.T
            agree += e * (sign @ sign.T)
            both += e * shared
            spread += e * e * shared
            moves += e * nonzero.sum(1)
            gram += e * (piece @ piece.T)
            size += e * (large @ large.T)
            square += e * e * ((large * large) @ (large * large).T)
    turn = np.outer(signs, signs)
    on = np.outer(signs != 0, signs != 0)
    agree, gram = agree * turn, gram * turn
    either = np.where(on, moves[:, None] + moves[None, :] - both, 0.0)
    size = np.where(on, size, 0.0)
    rate = Rate(
        ratio((both - agree) / 2, either),
        ratio(both / 2, either),
        Z95 * ratio(np.sqrt(spread) / 2, either),
    )
    joint = Rate(
        np.clip(ratio((size - gram) / 2, size), 0.0, 1.0),
        ratio(size / 2, size),
        Z95 * ratio(np.sqrt(square) / 2, size),
    )
    return _off_diagonal(rate), _off_diagonal(joint)


def _off_diagonal(rate: Rate) -> Rate:
    """Clear the diagonal: an expert never conflicts with itself, and chance has no say there."""
    for table in (rate.value, rate.null, rate.half):
        i = np.arange(len(table))
        table[i, i] = np.where(np.isnan(table[i, i]), np.nan, 0.0)
    return rate

"""How far each expert moved from the base, in all and layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from merger.diagnostics.cosine import gram_by_slot
from merger.diagnostics.grid import Grid, grid_of, ratio
from merger.info import Info
from merger.stack import Stack


@dataclass(frozen=True, eq=False)
class NormsInfo(Info):
    """Euclidean norms of the task vectors, and of the merged one when it is known.

    Args:
        experts: The experts' names.
        norms: ‖τ‖ per expert, shape (n,).
        base_norm: ‖base‖ over the same tensors.
        layers: "out", then the layers' numbers.
        by_layer: ‖τ‖ per expert and layer, shape (n, layers).
        base_by_layer: ‖base‖ per layer.
        merged: ‖merged τ‖, NaN while unknown.
        merged_by_layer: ‖merged τ‖ per layer; empty while unknown.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    experts: tuple[str, ...]
    norms: np.ndarray
    base_norm: float
    layers: tuple[str, ...]
    by_layer: np.ndarray
    base_by_layer: np.ndarray
    merged: float
    merged_by_layer: np.ndarray
    sample: float | None

    @property
    def mean(self) -> float:
        """Return the experts' mean ‖τ‖."""
        return float(self.norms.mean()) if len(self.norms) else float("nan")

    @property
    def relative(self) -> np.ndarray:
        """Return ‖τ‖ / ‖base‖ per expert."""
        return ratio(self.norms, np.full(len(self.norms), self.base_norm))

    @property
    def merged_share(self) -> float:
        """Return ‖merged τ‖ as a multiple of the experts' mean ‖τ‖."""
        return self.merged / self.mean if self.mean > 0 else float("nan")


def measure_norms(
    stack: Stack, grams: np.ndarray | None = None, grid: Grid | None = None
) -> NormsInfo:
    """Measure how far each expert moved.

    Args:
        stack: The task vectors.
        grams: Inner products per slot when they are at hand already.
        grid: The layer × module table when it is at hand already.
    """
    grams = gram_by_slot(stack) if grams is None else grams
    grid = grid or grid_of(stack.slots)
    squares = np.diagonal(grams, axis1=1, axis2=2)  # (slots, n)
    base = squares_by_slot(stack, stack.base)
    return NormsInfo(
        stack.names,
        np.sqrt(squares.sum(0)),
        float(np.sqrt(base.sum())),
        grid.layers,
        np.sqrt(np.stack([grid.by_layer(s) for s in squares.T])),
        np.sqrt(grid.by_layer(base)),
        float("nan"),
        np.zeros(0),
        stack.sample,
    )


def with_merged(
    info: NormsInfo, stack: Stack, merged: np.ndarray, grid: Grid | None = None
) -> NormsInfo:
    """Add the norm of a merged model.

    Args:
        info: The experts' norms.
        stack: The task vectors they were measured on.
        merged: Merged weights, flat in the stack's order, shape (P,).
        grid: The layer × module table when it is at hand already.
    """
    squares = squares_by_slot(stack, merged, stack.base)
    return _set_merged(info, squares, grid or grid_of(stack.slots))


def with_weighted_sum(
    info: NormsInfo, stack: Stack, grams: np.ndarray, weights: Sequence[float]
) -> NormsInfo:
    """Add the norm of Σ wᵢ τᵢ, from the inner products alone."""
    w = np.asarray(weights, np.float64)
    squares = np.einsum("sij,i,j->s", grams, w, w)
    return _set_merged(info, np.maximum(squares, 0.0), grid_of(stack.slots))


def squares_by_slot(stack: Stack, flat: np.ndarray, minus: np.ndarray | None = None) -> np.ndarray:
    """Return Σ (flat − minus)² per slot, float64, sampled slots scaled up."""
    out = np.empty(len(stack.slots))
    for i, slot in enumerate(stack.slots):
        part = flat[slot.start : slot.stop]
        if minus is not None:
            part = part - minus[slot.start : slot.stop]
        out[i] = float(np.dot(part, part))
    return out * stack.expand


def _set_merged(info: NormsInfo, squares: np.ndarray, grid: Grid) -> NormsInfo:
    layers = np.sqrt(grid.by_layer(squares))
    return replace(info, merged=float(np.sqrt(squares.sum())), merged_by_layer=layers)

"""One tensor up close: how each expert changed it, on shared bins, with its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.diagnostics.cancelled import measure_cancelled
from merger.diagnostics.cosine import measure_cosine
from merger.diagnostics.signs import Rate, measure_signs
from merger.info import Info
from merger.stack import Stack

BINS = 61  # odd, so that one bin is centred on zero
REACH = 0.999  # the bins hold this share of every expert's entries; the rest is counted apart
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class HistogramInfo(Info):
    """How the experts changed one tensor.

    Args:
        key: The tensor's name on disk.
        shape: Its shape.
        experts: The experts' names.
        edges: Bin edges, symmetric about 0, shape (bins + 1,).
        counts: Entries per expert and bin, shape (n, bins).
        outside: Entries per expert beyond the outermost edges.
        zeros: Entries per expert that did not move at all.
        norms: ‖τ‖ per expert on this tensor.
        quantiles: 5, 25, 50, 75 and 95 % points of τ, shape (n, 5).
        cosine: Cosines on this tensor, shape (n, n).
        conflict: Sign conflict rate with its null.
        cancelled: Cancelled mass with its null.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    key: str
    shape: tuple[int, ...]
    experts: tuple[str, ...]
    edges: np.ndarray
    counts: np.ndarray
    outside: np.ndarray
    zeros: np.ndarray
    norms: np.ndarray
    quantiles: np.ndarray
    cosine: np.ndarray
    conflict: Rate
    cancelled: Rate
    sample: float | None


def measure_histogram(
    stack: Stack, key: str, weights: Sequence[float] | np.ndarray | None = None, bins: int = BINS
) -> HistogramInfo:
    """Measure how the experts changed one tensor.

    Args:
        stack: The task vectors.
        key: The tensor's name on disk.
        weights: Coefficients, for conflict and cancelled mass, shape (n,) or (n, slots); 1 each
            when None.
        bins: How many bins.
    """
    one = stack.only(key)
    if weights is not None:
        weights = np.asarray(weights, np.float64)
        at = [s.key for s in stack.slots].index(key)
        weights = weights if weights.ndim == 1 else weights[:, at]
    edges = _edges(one.tau, bins)
    counts = np.stack([np.histogram(row, edges)[0] for row in one.tau]).astype(np.int64)
    cosine = measure_cosine(one)
    return HistogramInfo(
        key,
        one.slots[0].shape,
        stack.names,
        edges,
        counts,
        one.tau.shape[1] - counts.sum(1),
        (one.tau == 0).sum(1),
        np.sqrt(np.diagonal(cosine.gram)),
        np.quantile(one.tau, QUANTILES, axis=1).T.astype(np.float64),
        cosine.cosine,
        measure_signs(one, weights).rate,
        measure_cancelled(one, weights).mass,
        stack.sample,
    )


def _edges(tau: np.ndarray, bins: int) -> np.ndarray:
    reach = float(np.quantile(np.abs(tau), REACH, axis=1).max(initial=0.0))
    if reach <= 0:
        reach = float(np.abs(tau).max(initial=0.0)) or 1e-8
    half = np.linspace(0.0, reach, bins + 1)
    # Built from one side, so that edges are symmetric to the last bit.
    right = (half[1::2] if bins % 2 else half[0::2]).astype(np.float64)
    return np.concatenate([-right[::-1], right if bins % 2 else right[1:]])

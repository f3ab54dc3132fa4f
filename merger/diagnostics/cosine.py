"""How alike the experts' task vectors point: their Gram matrix and cosines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from merger.diagnostics.sampling import half_width
from merger.info import Info
from merger.stack import Stack

PIECE = 1 << 16  # float32 products are exact enough over a piece; pieces add up in float64


@dataclass(frozen=True, eq=False)
class CosineInfo(Info):
    """Cosine of every pair of task vectors.

    Args:
        experts: The experts' names.
        cosine: Cosines, shape (n, n), diagonal 1; NaN for an expert that equals the base.
        gram: Inner products, shape (n, n).
        half_width: 95 % half-width of each cosine when sampled, else zeros.
    """

    experts: tuple[str, ...]
    cosine: np.ndarray
    gram: np.ndarray
    half_width: np.ndarray


def measure_cosine(stack: Stack, grams: np.ndarray | None = None) -> CosineInfo:
    """Compare the directions of the task vectors."""
    gram = (gram_by_slot(stack) if grams is None else grams).sum(0)
    return CosineInfo(stack.names, cosine_of(gram), gram, _half_width(stack, gram))


def weighted_cosine(info: CosineInfo, weights: Sequence[float]) -> CosineInfo:
    """Return the cosines of the weighted task vectors; only a weight's sign can change them."""
    w = np.asarray(weights, np.float64)
    sign = np.where(w < 0, -1.0, 1.0)
    both = np.outer(sign, sign)
    return replace(info, cosine=info.cosine * both, gram=info.gram * np.outer(w, w))


def gram_by_slot(stack: Stack) -> np.ndarray:
    """Return the inner products of the task vectors per tensor, shape (slots, n, n), float64."""
    grams = np.zeros((len(stack.slots), stack.n, stack.n))
    for i, slot in enumerate(stack.slots):
        for at in range(slot.start, slot.stop, PIECE):
            piece = stack.tau[:, at : min(at + PIECE, slot.stop)]
            grams[i] += piece @ piece.T
    return grams * stack.expand[:, None, None]


def cosine_of(gram: np.ndarray) -> np.ndarray:
    """Return cosines from inner products, NaN where a vector is zero."""
    norm = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
    both = norm[..., :, None] * norm[..., None, :]
    cosine = np.divide(gram, both, out=np.full(gram.shape, np.nan), where=both > 0)
    cosine = np.clip(cosine, -1.0, 1.0)
    i = np.arange(gram.shape[-1])
    cosine[..., i, i] = np.where(norm > 0, 1.0, np.nan)
    return cosine


def _half_width(stack: Stack, gram: np.ndarray) -> np.ndarray:
    n = stack.n
    out = np.zeros((n, n))
    if stack.sample is None:
        return out
    square = [np.add.reduceat(t * t, stack.runs, dtype=np.float64) for t in stack.tau]
    for i in range(n):
        for j in range(i + 1, n):
            size = np.sqrt(gram[i, i] * gram[j, j])
            if size == 0:
                continue
            cross = np.add.reduceat(stack.tau[i] * stack.tau[j], stack.runs, dtype=np.float64)
            c = gram[i, j] / size
            change = cross / size - c / 2 * (square[i] / gram[i, i] + square[j] / gram[j, j])
            out[i, j] = out[j, i] = half_width(stack, change)
    return out

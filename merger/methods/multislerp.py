"""NLERP: the mean direction at the mean length, which mergekit calls multislerp."""

import math
from collections.abc import Sequence
from typing import Annotated

from merger.algebra import divisor
from merger.lazy import Tensor
from merger.spaces import Origin, Space, vectors, walk
from merger.spec import (
    Coefficients,
    Combination,
    Combined,
    Weight,
    WeightGram,
    Weights,
    merge_method,
    of,
)

# Directions that cancel down to this share of their weights leave nothing but rounding.
CANCELLED = 1e-6


Products = Annotated[WeightGram, of(on=vectors)]


def combined(
    gram: Products, weights: Coefficients, *, space: Space = "weights", normalize: bool = True
) -> Combined:
    """Return what it comes down to."""
    shares = _shares(gram, weights, normalize)
    return Combination(tuple(shares), on_base=space == "task_vectors")


@merge_method(
    "NLERP (multislerp)",
    family="interpolation",
    paper="mergekit",
    evidence="code run",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "local"),
    linear=combined,
)
def multislerp(
    theta: Weights,
    origin: Origin,
    gram: Products,
    weights: Coefficients,
    *,
    space: Space = "weights",
    normalize: bool = True,
) -> Weight:
    """Average the directions of the experts and their lengths, each by itself.

    v* = (Σ wₜ ‖vₜ‖) m / ‖m‖, with m = Σ wₜ vₜ / ‖vₜ‖ for each tensor

    Args:
        theta: The experts' weights.
        origin: The base, where task vectors are averaged.
        gram: Inner products of what is averaged, over the tensor.
        weights: One coefficient per expert.
        space: Average the experts' weights, or their task vectors (which needs a base).
        normalize: Divide the coefficients by their sum.
    Raises: an error when the coefficients add up to 0 and are to be normalised.
    Words: spherical.
    Fails: It promises a step on the sphere that is always 0, so it is a mean of directions and not
        SLERP. Where directions cancel it falls back to the weighted mean.
    Cost: Inner products of all pairs.
    Reference: mergekit's `multislerp`, whose step on the sphere is always 0, so that it is this.
        Differs: where the directions cancel, experts are averaged instead of refused. For a true
        mean on the sphere there is Karcher.
    """
    return walk(theta, origin, _shares(gram, weights, normalize))


def _shares(gram: Tensor, weights: Sequence[float], normalize: bool) -> Sequence[float]:
    if len(weights) == 1:
        return (1.0,)
    total = divisor(weights) if normalize else 1.0
    return _coefficients(gram.tolist(), [weight / total for weight in weights])


def _coefficients(gram: list[list[float]], shares: Sequence[float]) -> Sequence[float]:
    """Return what each vector is multiplied by."""
    norms = [math.sqrt(gram[i][i]) for i in range(len(shares))]
    along = [w / norm if norm else 0.0 for w, norm in zip(shares, norms, strict=True)]
    square = sum(a * b * gram[i][j] for i, a in enumerate(along) for j, b in enumerate(along))
    room = CANCELLED * sum(abs(w) for w in shares)
    if square <= room * room:
        return shares
    length = sum(w * norm for w, norm in zip(shares, norms, strict=True)) / math.sqrt(square)
    return [length * a for a in along]

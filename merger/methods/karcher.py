"""Karcher mean: the point on the sphere that is nearest to all experts."""

import math
from collections.abc import Sequence
from typing import Annotated

from merger.algebra import divisor
from merger.spaces import Origin, Space, vectors, walk
from merger.spec import (
    Coefficients,
    Combination,
    Combined,
    Knob,
    Weight,
    WeightGram,
    Weights,
    merge_method,
    of,
)

Matrix = list[list[float]]


Steps = Annotated[int, Knob(1, 100, slider=(1, 100), step=1)]
Least = Annotated[float, Knob(0.0, slider=(0.0, 0.001), step=1e-6)]
Products = Annotated[WeightGram, of(on=vectors)]


def combined(
    gram: Products,
    weights: Coefficients,
    *,
    max_iter: Steps = 10,
    tol: Least = 1e-5,
    space: Space = "weights",
) -> Combined:
    """Return what it comes down to."""
    whole = divisor(weights)
    shares = _coefficients(gram.tolist(), [w / whole for w in weights], max_iter, tol)
    return Combination(tuple(shares), on_base=space == "task_vectors")


@merge_method(
    "Karcher mean",
    family="interpolation",
    paper="arXiv:2603.04972",
    evidence="code run",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "local"),
    linear=combined,
)
def karcher(
    theta: Weights,
    origin: Origin,
    gram: Products,
    weights: Coefficients,
    *,
    max_iter: Steps = 10,
    tol: Least = 1e-5,
    space: Space = "weights",
) -> Weight:
    """Find the mean of the experts' directions on the sphere, at their mean length.

    u ← exp_u(Σ wₜ log_u(vₜ / ‖vₜ‖)) until it rests; v* = (Σ wₜ ‖vₜ‖) u for each tensor

    Args:
        theta: The experts' weights.
        origin: The base, where task vectors are averaged.
        gram: Inner products of what is averaged, over the tensor.
        weights: One coefficient per expert, divided by their sum.
        max_iter: The most steps on the sphere.
        tol: Steps shorter than this end the search.
        space: Average the experts' weights, or their task vectors (which needs a base).
    Raises: an error when the coefficients add up to 0.
    Words: spherical, geodesic, Riemannian.
    Fails: Opposite experts have no one mean. Ten steps need not be enough where experts lie far
        apart: raise `max_iter` and lower `tol`.
    Cost: Inner products of all pairs; the steps are taken on these alone.
    Reference: Karcher, 1977; mergekit's `karcher`, arXiv:2603.04972. Differs: experts may count
        differently, and only vectors of length 0 have no direction.
    """
    total = divisor(weights)
    return walk(
        theta, origin, _coefficients(gram.tolist(), [w / total for w in weights], max_iter, tol)
    )


def _coefficients(gram: Matrix, shares: Sequence[float], max_iter: int, tol: float) -> list[float]:
    """Return what each vector is multiplied by; all points of the search lie among them."""
    norms = [math.sqrt(gram[i][i]) for i in range(len(shares))]
    there = [i for i, norm in enumerate(norms) if norm > 0.0]
    found = [0.0] * len(shares)
    if not there:
        return found
    cosines = [
        [1.0 if i == j else gram[i][j] / (norms[i] * norms[j]) for j in there] for i in there
    ]
    active = divisor([shares[i] for i in there])
    place = _mean_direction(cosines, [shares[i] / active for i in there], max_iter, tol)
    length = sum(share * norm for share, norm in zip(shares, norms, strict=True))
    for i, value in zip(there, place, strict=True):
        found[i] = length * value / norms[i]
    return found


def _mean_direction(
    cosines: Matrix, shares: Sequence[float], max_iter: int, tol: float
) -> list[float]:
    """Return the mean of unit vectors on the sphere, in terms of these vectors."""
    place = list(shares)
    norm = _length(cosines, place)
    place = [1.0] + [0.0] * (len(shares) - 1) if norm < tol else [p / norm for p in place]
    for _ in range(max_iter):
        step = [0.0] * len(shares)
        along = 0.0
        for i, share in enumerate(shares):
            cosine = max(-1.0, min(1.0, _dot(cosines[i], place)))
            angle = math.acos(cosine)
            # Opposite points have no one shortest way between them.
            if angle < tol or math.sin(angle) < 1e-9:
                continue
            step[i] = share * angle / math.sin(angle)
            along += step[i] * cosine
        step = [s - along * p for s, p in zip(step, place, strict=True)]
        length = _length(cosines, step)
        if length < tol or length == 0.0:
            break
        ahead, aside = math.cos(length), math.sin(length) / length
        place = [ahead * p + aside * s for p, s in zip(place, step, strict=True)]
        norm = _length(cosines, place)
        place = [p / norm for p in place]
    return place


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _length(cosines: Matrix, place: Sequence[float]) -> float:
    return math.sqrt(max(0.0, _dot(place, [_dot(row, place) for row in cosines])))

"""NuSLERP: SLERP with one coefficient per expert, over tensors, rows or columns."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from merger.algebra import add_update
from merger.lazy import Tensor, torch
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
from merger.sums import row_products
from merger.threads import one_thread

# Above this cosine, rounding in single precision may turn an arc into any length.
PARALLEL = 1.0 - 1e-6


def _is_whole(knobs: Mapping[str, Any]) -> bool:
    return knobs["axis"] == "tensor"


Axis = Literal["tensor", "rows", "columns"]
Products = Annotated[WeightGram, of(on=vectors, when=_is_whole)]


def combined(
    gram: Products, weights: Coefficients, *, axis: Axis = "tensor", space: Space = "weights"
) -> Combined:
    """Return what it comes down to; over rows and columns nothing so simple."""
    if axis != "tensor":
        return None
    return Combination(_whole(gram, weights), on_base=space == "task_vectors")


@merge_method(
    "NuSLERP",
    family="interpolation",
    paper="mergekit",
    evidence="code run",
    laws=("idempotent", "symmetric", "homogeneous", "odd", "local"),
    scope=lambda knobs: "element" if _is_whole(knobs) else "tensor",
    experts=(2, 2),
    linear=combined,
)
def nuslerp(
    theta: Weights,
    origin: Origin,
    gram: Products,
    weights: Coefficients,
    *,
    axis: Axis = "tensor",
    space: Space = "weights",
) -> Weight:
    """Walk the arc between two experts, as far as their coefficients say.

    v* = sin((1−t)ω)/sin ω · v₁ + sin(tω)/sin ω · v₂, with t = w₂ / (w₁ + w₂)

    Args:
        theta: The two experts' weights.
        origin: The base, where the arc runs between task vectors.
        gram: Inner products over the tensor, where the whole tensor is one vector.
        weights: One coefficient per expert; where they add up to 0, t is 0.5.
        axis: What is one vector: the whole tensor, each row (last axis) or column (first axis).
        space: Walk between the experts' weights, or between their task vectors (needs a base).
    Words: spherical.
    Fails: Takes two experts only. Opposite vectors have no one arc between them, and get the
        straight line.
    Cost: Inner products of the pair.
    Reference: mergekit's `nuslerp`, whose `nuslerp_row_wise` means columns. Differs: parallel and
        opposite vectors, and those of length 0, are joined by a straight line.
    """
    if axis == "tensor":
        return walk(theta, origin, _whole(gram, weights))
    t = _way(weights)
    a, b = (_rows(row if origin is None else row - origin, axis) for row in theta)
    with one_thread():
        first, second = _coefficients(
            row_products(a, a), row_products(b, b), row_products(a, b), t
        )
    found = a * first.to(a).unsqueeze(1)
    found += b * second.to(a).unsqueeze(1)
    if axis == "columns" and theta.dim() > 2:
        found = found.T
    found = found.reshape(theta.shape[1:])
    return found if origin is None else add_update(origin, found)


def _way(weights: tuple[float, ...]) -> float:
    """Return how far the arc is walked."""
    whole = sum(weights)
    return 0.5 if abs(whole) < 1e-6 else weights[1] / whole


def _whole(gram: Tensor, weights: tuple[float, ...]) -> tuple[float, float]:
    """Return what the two tensors are multiplied by as one vector each."""
    first, second = _coefficients(gram[:1, 0], gram[1:, 1], gram[:1, 1], _way(weights))
    return float(first), float(second)


def _rows(values: Tensor, axis: str) -> Tensor:
    """Return the vectors as rows; a tensor of one axis or none is one vector."""
    if values.dim() < 2:
        return values.reshape(1, -1)
    if axis == "rows":
        return values.reshape(-1, values.shape[-1])
    return values.reshape(values.shape[0], -1).T


def _coefficients(uu: Tensor, vv: Tensor, uv: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Return what each pair of vectors is multiplied by, from their inner products."""
    norms = uu.sqrt() * vv.sqrt()
    cosine = uv / torch.where(norms == 0.0, 1.0, norms)
    straight = (norms == 0.0) | (cosine.abs() > PARALLEL)
    angle = torch.where(straight, 1.0, cosine.clamp(-1.0, 1.0).acos())
    first = torch.where(straight, 1.0 - t, ((1.0 - t) * angle).sin() / angle.sin())
    second = torch.where(straight, t, (t * angle).sin() / angle.sin())
    return first, second

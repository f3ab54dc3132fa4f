"""SLERP: the great circle between two experts."""

import math
from typing import Annotated

from merger.spec import Combination, Combined, Knob, Weight, WeightGram, Weights, merge_method

# From this cosine on, arc and chord cannot be told apart (Shoemake's and mergekit's bound).
PARALLEL = 0.9995


Share = Annotated[float, Knob(slider=(0.0, 1.0), step=0.01, symbol="t")]


def combined(gram: WeightGram, *, t: Share = 0.5) -> Combined:
    """Return what it comes down to."""
    return Combination(_coefficients(gram.tolist(), t))


@merge_method(
    "SLERP",
    family="interpolation",
    paper="Shoemake 1985",
    evidence="code run",
    laws=("idempotent", "homogeneous", "odd", "local"),
    experts=(2, 2),
    linear=combined,
)
def slerp(
    theta: Weights,
    gram: WeightGram,
    *,
    t: Share = 0.5,
) -> Weight:
    """Walk the arc from the first expert to the second instead of the straight line.

    θ* = sin((1−t)ω)/sin ω · θ₁ + sin(tω)/sin ω · θ₂, with cos ω = ⟨θ₁, θ₂⟩ / (‖θ₁‖ ‖θ₂‖)

    Args:
        theta: The two experts' weights.
        gram: Their inner products over the tensor.
        t: 0 is the first expert, 1 the second.
    Words: spherical, mergekit.
    Fails: Takes two experts only, and sees the weights and not the changes: experts of one base
        are nearly parallel there, where it is the straight line.
    Cost: Inner products of the pair.
    Reference: Shoemake, Animating rotation with quaternion curves, 1985. Each tensor is one
        vector. Nearly parallel tensors are interpolated on the straight line.
    """
    first, second = _coefficients(gram.tolist(), t)
    return theta[0] * first + theta[1] * second


def _coefficients(gram: list[list[float]], t: float) -> tuple[float, float]:
    norms = [math.sqrt(gram[i][i]) for i in (0, 1)]
    # A vector of no length has no direction; mergekit leaves it as it is.
    u, v = (norm if norm > 1e-8 else 1.0 for norm in norms)
    cosine = max(-1.0, min(1.0, gram[0][1] / (u * v)))
    if abs(cosine) > PARALLEL:
        return 1.0 - t, t
    angle = math.acos(cosine)
    return math.sin((1.0 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)

"""Task arithmetic: add the experts' task vectors to the base."""

from typing import Annotated, Literal

from merger.algebra import total
from merger.spec import (
    Coefficients,
    Combination,
    Combined,
    Delta,
    Deltas,
    Knob,
    merge_method,
)

Scale = Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")]


def combined(weights: Coefficients, *, scale: Scale = 0.3, normalize: bool = False) -> Combined:
    """Return what it comes down to."""
    whole = sum(weights)
    shared = normalize and abs(whole) >= 1e-8
    return Combination(weights, whole if shared else 1.0, scale, on_base=True)


@merge_method(
    "Task arithmetic",
    family="task arithmetic",
    paper="arXiv:2212.04089",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"scale": 1.0 / n},
    dialects={"mergekit": {"scale": 1.0}, "peft": {"scale": 1.0}},
    linear=combined,
)
def task_arithmetic(
    tau: Deltas,
    weights: Coefficients,
    *,
    scale: Scale = 0.3,
    normalize: bool = False,
    dialect: Literal["paper", "mergekit", "peft"] = "paper",
) -> Delta:
    """Add what every expert learned to the base; negative coefficients forget a task.

    θ* = θ₀ + λ Σ wₜ τₜ

    Args:
        tau: Task vectors.
        weights: One coefficient per expert.
        scale: Multiplies the whole update; below 0 it forgets instead of learning.
        normalize: Divide the update by the sum of the coefficients (unless that is 0).
        dialect: Whose defaults to use: the paper's, or mergekit's and PEFT's (scale 1).
    Words: task vector, negation, forgetting, LoRA, cat.
    Fails: What disagrees cancels, and what agrees piles up: the more experts, the smaller λ has to
        be.
    Reference: Ilharco et al., Editing Models with Task Arithmetic, 2023, arXiv:2212.04089. Over
        adapters it is PEFT's `cat` (and `svd`, once written as an adapter).
    """
    update = total(tau)
    if normalize and abs(sum(weights)) >= 1e-8:
        update /= sum(weights)
    return update * scale

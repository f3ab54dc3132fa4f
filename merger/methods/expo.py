"""ExPO: past the expert, on the line from the base."""

from typing import Annotated

from merger.spec import Base, Delta, Knob, Weights, merge_method


@merge_method(
    "ExPO",
    family="interpolation",
    paper="arXiv:2404.16792",
    evidence="code run",
    laws=("zero", "single", "homogeneous", "odd", "shift", "local"),
    neutral={"alpha": 0.0},
    experts=(1, 1),
)
def expo(
    theta: Weights,
    base: Base,
    *,
    alpha: Annotated[float, Knob(slider=(0.0, 1.0), step=0.01, symbol="α")] = 0.1,
) -> Delta:
    """Go past one expert in the direction in which training had moved it.

    θ* = θ₁ + α (θ₁ − θ₀)

    Args:
        theta: The expert's weights.
        base: The base's weights.
        alpha: How far past the expert, as a share of the way from the base; 0 is the expert.
    Fails: Takes one expert, and enlarges its mistakes with what it learned. Nothing bounds how far
        is too far.
    Reference: Zheng et al., Weak-to-Strong Extrapolation Expedites Alignment, 2024,
        arXiv:2404.16792. It is WiSE-FT with α = 1 + α of ExPO.
    """
    return (theta[0] - base) * (1.0 + alpha)

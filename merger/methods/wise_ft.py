"""WiSE-FT: a point on the straight line from the base through one expert."""

from typing import Annotated

from merger.spec import Base, Delta, Knob, Weights, merge_method


@merge_method(
    "WiSE-FT",
    family="interpolation",
    paper="arXiv:2109.01903",
    evidence="code run",
    laws=("zero", "single", "homogeneous", "odd", "shift", "local"),
    neutral={"alpha": 1.0},
    experts=(1, 1),
)
def wise_ft(
    theta: Weights,
    base: Base,
    *,
    alpha: Annotated[float, Knob(slider=(-0.5, 1.5), step=0.05, symbol="α")] = 0.5,
) -> Delta:
    """Walk the straight line from the base to one expert, or beyond it.

    θ* = (1 − α) θ₀ + α θ₁

    Args:
        theta: The expert's weights.
        base: The base's weights.
        alpha: 0 is the base, 1 the expert, above 1 goes past it.
    Fails: Takes one expert only. Below 0 and above 1 it leaves the line between the models, and
        nothing bounds the weights.
    Reference: Wortsman et al., Robust fine-tuning of zero-shot models, 2022, arXiv:2109.01903.
        With α = 1 + a it is ExPO.
    """
    return alpha * (theta[0] - base)

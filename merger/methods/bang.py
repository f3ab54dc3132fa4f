"""BANG: half-way between the base and an expert trained not to be over-confident."""

from typing import Annotated

from merger.spec import Base, Delta, Knob, Weights, merge_method


@merge_method(
    "BANG",
    family="interpolation",
    paper="arXiv:2309.17230",
    evidence="paper's text",
    laws=("zero", "single", "homogeneous", "odd", "shift", "local"),
    neutral={"alpha": 1.0},
    experts=(1, 1),
)
def bang(
    theta: Weights,
    base: Base,
    *,
    alpha: Annotated[float, Knob(slider=(-0.5, 1.5), step=0.05, symbol="α")] = 0.5,
) -> Delta:
    """Average the base with an expert trained with label smoothing or Mixup.

    θ* = (1 − α) θ₀ + α θ₁

    Args:
        theta: The expert's weights.
        base: The base's weights.
        alpha: 0 is the base, 1 the expert.
    Fails: A merge cannot make up for an expert that was trained without label smoothing or Mixup:
        then it is WiSE-FT.
    Reference: Lin et al., Spurious Feature Diversification Improves Out-of-distribution
        Generalization, 2024, arXiv:2309.17230. Reconstructed from the text of the paper. As a
        merge it is WiSE-FT at α = 0.5; what is new is how the expert was trained, which a merge
        cannot make up for.
    """
    return (theta[0] - base) * alpha

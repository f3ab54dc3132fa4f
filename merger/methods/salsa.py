"""SALSA: the soup of two experts fine-tuned independently of each other."""

from typing import Annotated

from merger.algebra import weighted_total
from merger.spec import Knob, Weight, Weights, merge_method


@merge_method(
    "SALSA",
    family="averaging",
    paper="arXiv:2411.01798",
    evidence="paper's text",
    laws=("idempotent", "homogeneous", "odd", "shift", "local"),
    experts=(2, 2),
)
def salsa(
    theta: Weights,
    *,
    t: Annotated[float, Knob(slider=(0.0, 1.0), step=0.01, symbol="t")] = 0.5,
) -> Weight:
    """Mix two independently fine-tuned experts into one reference model.

    θ* = (1 − t) θ₁ + t θ₂

    Args:
        theta: The two experts' weights.
        t: 0 is the first expert, 1 the second.
    Fails: Takes two experts only. What the paper gains from it comes from the reinforcement
        learning around it, which is no part of a merge.
    Reference: Chegini et al., SALSA: Soup-based Alignment Learning for Stronger Adaptation in
        RLHF, 2024, arXiv:2411.01798. Reconstructed from the text of the paper. There the mix is
        the reference model of reinforcement learning, which is not part of a merge.
    """
    return weighted_total(theta, (1.0 - t, t))

"""Passthrough: one model as it is."""

from typing import Annotated

from merger.spec import Knob, Weight, Weights, merge_method


@merge_method(
    "Passthrough",
    family="interpolation",
    paper="mergekit",
    evidence="code run",
    laws=("single", "idempotent", "homogeneous", "odd", "local"),
    experts=(1, 1),
)
def passthrough(
    theta: Weights,
    *,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Weight:
    """Copy the first expert, or multiply its weights by a number.

    θ* = λ θ₁

    Args:
        theta: The expert's weights.
        scale: Multiplies the weights themselves, not a task vector; 1 copies them.
    Words: frankenmerge, stack.
    Fails: Merges nothing: it is for stacking layers of several models, and any scale but 1 changes
        what a layer computes.
    Reference: mergekit's `passthrough`, there mostly to stack layers of several models.
    """
    return theta[0] * scale

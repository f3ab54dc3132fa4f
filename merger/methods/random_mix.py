"""Random mix: every entry from an expert drawn by lot."""

from typing import Annotated

from merger.lazy import torch
from merger.spec import Delta, Deltas, Knob, Uniform, merge_method


@merge_method(
    "Random mix",
    family="selection",
    paper="arXiv:2407.06322",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
)
def random_mix(
    tau: Deltas,
    draws: Uniform,
    *,
    scale: Annotated[float, Knob(slider=(0.0, 1.5), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Take, entry by entry, the change of an expert drawn by lot.

    θ* = θ₀ + λ τₛ with s drawn evenly from the experts, entry by entry

    Args:
        tau: Task vectors.
        draws: Uniform random numbers.
        scale: Multiplies the whole update.
    Fails: A baseline: neighbouring weights come from different experts by lot, and another seed is
        another model.
    Reference: the baseline of Marczak et al., MagMax: Leveraging Model Merging for Seamless
        Continual Learning, 2024, arXiv:2407.06322.
    """
    result, highest = tau[0], draws[0]
    for row, draw in zip(tau[1:], draws[1:], strict=True):
        result = torch.where(draw > highest, row, result)
        highest = torch.maximum(draw, highest)
    return result * scale

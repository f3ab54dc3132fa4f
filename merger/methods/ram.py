"""RAM: changes that one expert alone made stay whole, shared ones are averaged."""

from typing import Annotated

from merger.lazy import torch
from merger.spec import Delta, Deltas, Knob, merge_method


@merge_method(
    "RAM",
    family="selection",
    paper="arXiv:2601.13572",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "odd", "shift", "local"),
)
def ram(
    tau: Deltas,
    *,
    epsilon: Annotated[float, Knob(0.0, slider=(0.0, 0.001), step=1e-6, symbol="ε")] = 1e-5,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Add what one expert alone changed, and average what several changed.

    θ* = θ₀ + λ Σ τₜ 1[|τₜ| > ε] / c, with c = how many experts changed the entry

    Args:
        tau: Task vectors.
        epsilon: Changes up to this size count as none, in units of the weights.
        scale: Multiplies the whole update.
    Fails: The bound ε is absolute: experts with changes below it are lost, and the same experts
        scaled up are not. What disagrees cancels.
    Reference: Reinforced Agent Merging; Behavior Knowledge Merge in Reinforced Agentic Models,
        2026, arXiv:2601.13572, as mergekit's `ram`. The bound ε is absolute, so it does not follow
        the size of the changes.
    """
    result = torch.zeros_like(tau[0])
    count = torch.zeros_like(result)
    active = torch.empty_like(result)
    for row in tau:
        count += torch.gt(row.abs(), epsilon, out=active)
        result += active.mul_(row)
    return result.div_(count.clamp_(min=1.0)) * scale

"""RAM+: RAM, with what one expert alone changed made up for what it shares."""

from typing import Annotated

from merger.lazy import Tensor, torch
from merger.spec import Delta, Deltas, Knob, L1s, merge_method, of

Epsilon = Annotated[float, Knob(0.0, slider=(0.0, 0.001), step=1e-6, symbol="ε")]


def _active(tau: Tensor, epsilon: float) -> Tensor:
    """Return how many experts changed each entry."""
    count = torch.zeros_like(tau[0])
    for row in tau:
        count += torch.gt(row.abs(), epsilon, out=torch.empty_like(row))
    return count


def alone(tau: Deltas, *, epsilon: Epsilon = 1e-5) -> Deltas:
    """Return 1 where an expert alone changed an entry."""
    count = _active(tau, epsilon)
    return _changed(tau, epsilon, torch.eq(count, 1.0, out=count))


def shared(tau: Deltas, *, epsilon: Epsilon = 1e-5) -> Deltas:
    """Return 1 where an expert changed an entry that others changed too."""
    count = _active(tau, epsilon)
    return _changed(tau, epsilon, torch.gt(count, 1.0, out=count))


def _changed(tau: Tensor, epsilon: float, where: Tensor) -> Tensor:
    """Return 1 where an expert changed an entry of some, (n, *piece)."""
    found = torch.empty_like(tau)
    for row, out in zip(tau, found, strict=True):
        torch.gt(row.abs(), epsilon, out=out).mul_(where)
    return found


@merge_method(
    "RAM+",
    family="selection",
    paper="arXiv:2601.13572",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "odd", "shift", "local"),
)
def ramplus_tl(
    tau: Deltas,
    unique: Annotated[L1s, of(on=alone)],
    common: Annotated[L1s, of(on=shared)],
    *,
    r: Annotated[float, Knob(slider=(0.0, 1.0), step=0.01, symbol="r")] = 0.1,
    alpha: Annotated[float, Knob(0.0, slider=(0.0, 2.0), step=0.05, symbol="α")] = 0.2,
    epsilon: Epsilon = 1e-5,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Average what several experts changed, and add what one alone did, a little enlarged.

    θ* = θ₀ + λ Σ τₜ 1[|τₜ| > ε] fₜ / c, with fₜ = 1 + r min(α, sharedₜ / uniqueₜ) where c = 1

    Args:
        tau: Task vectors.
        unique: How many entries of the tensor each expert alone changed.
        common: How many entries of the tensor each expert changed and others too.
        r: How much an expert's own changes grow with what it shares.
        alpha: The highest ratio of shared to own entries that counts.
        epsilon: Changes up to this size count as none, in units of the weights.
        scale: Multiplies the whole update.
    Fails: The bound ε is absolute: experts with changes below it are lost, and the same experts
        scaled up are not. Where everything is shared nothing is enlarged.
    Cost: One count over each tensor.
    Reference: Reinforced Agent Merging; Behavior Knowledge Merge in Reinforced Agentic Models,
        2026, arXiv:2601.13572, as mergekit's `ramplus_tl`.
    """
    count = _active(tau, epsilon)
    single = torch.eq(count, 1.0, out=torch.empty_like(count))
    result = torch.zeros_like(count)
    kept = torch.empty_like(count)
    for row, own, others in zip(tau, unique, common, strict=True):
        more = r * min(alpha, others / max(own, epsilon)) if others else 0.0
        torch.gt(row.abs(), epsilon, out=kept)
        result += kept.mul_(row).mul_((single * more).add_(1.0))
    return result.div_(count.clamp_(min=1.0)).mul_(scale)

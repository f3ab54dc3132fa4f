"""SCE: select where experts differ most, weigh them by their energy, erase who disagrees."""

from typing import Annotated, Literal

from merger.algebra import elect_sign, parts
from merger.lazy import Tensor, torch
from merger.masks import largest, shares_of
from merger.spec import Delta, Deltas, Knob, merge_method
from merger.sums import sum_of_squares


@merge_method(
    "SCE",
    family="sign consensus",
    paper="arXiv:2408.07990",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    dialects={"mergekit": {"floor": 1e-6}, "fusechat": {"select": "weights"}},
)
def sce(
    tau: Deltas,
    *,
    select_topk: Annotated[float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01)] = 1.0,
    select: Literal["update", "weights"] = "update",
    floor: Annotated[float, Knob(0.0)] = 0.0,
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 1.0,
    dialect: Literal["paper", "mergekit", "fusechat"] = "paper",
) -> Delta:
    """Weigh experts by how much they changed each tensor, and drop whoever disagrees in sign.

    M = top-k of Varₜ(τₜ); wₜ = mean (M τₜ)² / Σ; γ = sgn Σ M τₜ;
    θ* = θ₀ + λ · Σ wₜ M τₜ / Σ wₜ over those with sgn τₜ = γ

    Args:
        tau: Task vectors.
        select_topk: Share of entries that are selected, those in which experts differ most.
        select: Update nothing but selected entries, or use them for the weights alone.
        floor: Where the mean squares add up to less, experts count the same; also the least
            divisor.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's floor of 1e-6 makes most fine-tuned language
            models count the same, FuseChat's code selects for the weights alone.
    Fails: Where experts are equal nothing differs, so `select_topk` below 1 selects nothing and
        the base stays. mergekit's floor counts all experts the same wherever changes are small, as
        most fine-tuned language models' are.
    Reference: Wan et al., FuseChat: Knowledge Fusion of Chat Models, 2024, arXiv:2408.07990.
        Differs: nothing is selected with one expert, whose variance is 0 everywhere.
    """
    chosen = selected(tau, select_topk)
    sizes = [sum_of_squares(row) / max(1, row.numel()) for row in chosen]
    shares = shares_of([0.0] * len(tau) if sum(sizes) < floor else sizes)
    return _agreeing(chosen if select == "update" else tau, shares, floor).mul_(scale)


def selected(tau: Tensor, share: float) -> Tensor:
    """Return the task vectors with a share of the entries, those in which experts differ most."""
    if share >= 1.0 or len(tau) < 2:
        return tau
    spread = _variance(tau)
    return tau * largest(spread, int(share * int(torch.count_nonzero(spread))))


def _variance(tau: Tensor) -> Tensor:
    """Return the variance over experts, exactly 0 where all are equal."""
    found = torch.empty_like(tau[:1])
    for part, out in parts(tau, found):
        middle = torch.zeros_like(part[0])
        for row in part:
            middle += row - part[0]
        middle /= len(part)
        result = torch.zeros_like(middle)
        for row in part:
            result += (row - part[0]).sub_(middle).square_()
        out[0] = result / len(part)
    return found[0]


def _agreeing(tau: Tensor, shares: list[float], floor: float) -> Tensor:
    found = torch.empty_like(tau[:1])
    for part, out in parts(tau, found):
        sign = elect_sign(part, tie="plus")
        result, below = torch.zeros_like(sign), torch.zeros_like(sign)
        for row, share in zip(part, shares, strict=True):
            agrees = torch.gt(row * sign, 0.0, out=torch.empty_like(row)) * share
            result += row * agrees
            below += agrees
        out[0] = result / below.clamp(min=floor or 1e-30)
    return found[0]

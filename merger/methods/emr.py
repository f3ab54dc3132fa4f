"""EMR-Merging: elect one update for all, mask and rescale it for each expert."""

from typing import Annotated, Literal

from merger.algebra import total
from merger.lazy import Tensor, torch
from merger.masks import add_updates
from merger.spec import Base, Deltas, PerTask, Sizes, merge_method, of


def _elected(tau: Tensor) -> tuple[Tensor, Tensor]:
    """Return the masks (n, *piece) and the largest agreeing change of each entry (*piece)."""
    sign = total(tau)
    torch.gt(sign, 0.0, out=sign).mul_(2.0).sub_(1.0)
    masks, largest = torch.empty_like(tau), torch.zeros_like(sign)
    for row, mask in zip(tau, masks, strict=True):
        agreeing = torch.mul(row, sign, out=mask).clamp_(min=0.0)
        torch.maximum(largest, agreeing, out=largest)
        torch.gt(agreeing, 0.0, out=mask)
    return masks, largest.mul_(sign)


def masked(tau: Deltas) -> Deltas:
    """Return what each mask leaves of the elected update."""
    masks, elected = _elected(tau)
    return masks.mul_(elected)


@merge_method(
    "EMR-Merging",
    family="masks",
    paper="arXiv:2405.17461",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
)
def emr(
    tau: Deltas,
    base: Base,
    own: Annotated[Sizes, of(scope="global")],
    left: Annotated[Sizes, of(scope="global", on=masked)],
    *,
    rescale: Literal["code", "global", "none"] = "code",
) -> PerTask:
    """Elect the largest change that agrees in sign, then mask and rescale it for each expert.

    γ = sgn Σ τₜ; τ_uni = γ ⊙ max |τₜ| over those with sgn τₜ = γ; Mₜ = 1[ τₜ ⊙ γ > 0 ];
    θ̂ₜ = θ₀ + λₜ · Mₜ ⊙ τ_uni with λₜ = Σ |τₜ| / Σ |Mₜ ⊙ τ_uni|

    Args:
        tau: Task vectors.
        base: The base's weights.
        own: Each expert's sums of magnitudes.
        left: Sums of magnitudes of what its mask leaves of the elected update.
        rescale: λₜ from sums of each tensor's mean magnitude (the authors' code and numbers),
            from sums over the whole model (the paper's formula), or 1.
    Words: mask, compression.
    Fails: Gives one model per expert, so the task of an input must be known. The paper's rescaling
        and its code's differ (measured: 0.90 against 1.63 for one expert), because the code lets a
        small bias count like a large matrix.
    Reference: Huang et al., EMR-Merging: Tuning-Free High-Performance Model Merging, 2024,
        arXiv:2405.17461. An expert of which nothing is left is not rescaled. Stored as base,
        τ_uni, one bit per entry and one number per expert.
    """
    masks, elected = _elected(tau)
    update = masks.mul_(elected)
    if rescale != "none":
        place = 0 if rescale == "global" else 1
        ratios = [o / m if m > 0.0 else 1.0 for o, m in zip(own[place], left[place], strict=True)]
        factors = torch.tensor(ratios, dtype=tau.dtype, device=tau.device)
        update.mul_(factors.reshape(-1, *[1] * base.dim()))
    return add_updates(base, update)

"""Magnitude pruning: keep each expert's largest changes and add them up."""

from typing import Annotated, Literal

from merger.algebra import keep, total
from merger.notices import KEEPS_ALL, KEEPS_NONE
from merger.spec import Cut, Delta, Deltas, Knob, merge_method, of


@merge_method(
    "Magnitude pruning",
    family="task arithmetic",
    paper="PEFT, combination_type magnitude_prune",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
    neutral=lambda n: {"density": 1.0, "scale": 1.0 / n},
    notices=(KEEPS_ALL, KEEPS_NONE),
)
def magnitude_prune(
    tau: Deltas,
    cut: Annotated[Cut, of("density", scope="trim")],
    *,
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.05, 1.0), step=0.01, symbol="k", per_expert=True)
    ] = 0.2,
    trim: Literal["tensor", "global"] = "tensor",
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Keep each expert's largest changes and add them up, whether they agree or not.

    θ* = θ₀ + λ Σ top-k(τₜ)

    Args:
        tau: Task vectors.
        cut: Which entries survive the trim.
        density: Share of entries each expert keeps, the largest ones.
        trim: Rank entries within each tensor (PEFT) or over the whole model.
        scale: Multiplies the whole update.
    Words: LoRA, adapters, top-k.
    Fails: Signs are not compared: what disagrees cancels. What agrees piles up with the number of
        experts.
    Cost: One exact cut per expert.
    Reference: PEFT's add_weighted_adapter, `magnitude_prune_svd`. Differs: a share above 0 keeps
        one entry at least.
    """
    return total(keep(tau, cut)) * scale

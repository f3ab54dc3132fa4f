"""Breadcrumbs with TIES: leave out outliers and noise, then add up what agrees in sign."""

from typing import Annotated, Literal

from merger.algebra import combine_agreeing, elect_sign, votes
from merger.masks import band
from merger.spec import (
    Coefficients,
    Delta,
    Deltas,
    Knob,
    Majority,
    Ranks,
    merge_method,
    of,
)

Placed = Annotated[Ranks, of(scope="trim")]
Density = Annotated[
    float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="β", per_expert=True)
]
Gamma = Annotated[float, Knob(0.0, 1.0, slider=(0.0, 0.2), step=0.01, symbol="γ", per_expert=True)]


def ballot(
    tau: Deltas,
    ranks: Placed,
    *,
    density: Density = 0.2,
    gamma: Gamma = 0.01,
    trim: Literal["row", "tensor"] = "row",
    elect: Literal["sum", "count"] = "sum",
) -> Delta:
    """Return the votes whose sign is elected."""
    return votes(band(ranks, density, gamma, trim, tau).mul_(tau), elect)


@merge_method(
    "Breadcrumbs TIES",
    family="sign consensus",
    paper="arXiv:2312.06795",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"density": 1.0, "gamma": 0.0, "scale": 1.0 / n},
    scope=lambda knobs: knobs["trim"],
    dialects={"mergekit": {"trim": "tensor", "tie": "plus", "scale": 1.0}},
)
def breadcrumbs_ties(
    tau: Deltas,
    ranks: Placed,
    majority: Annotated[Majority, of(on=ballot)],
    weights: Coefficients,
    *,
    density: Density = 0.2,
    gamma: Gamma = 0.01,
    trim: Literal["row", "tensor"] = "row",
    elect: Literal["sum", "count"] = "sum",
    tie: Literal["majority", "plus", "drop"] = "majority",
    combine: Literal["sum", "mean", "max", "weighted"] = "sum",
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 0.4,
    dialect: Literal["paper", "mergekit"] = "paper",
) -> Delta:
    """Leave out outliers and small changes, then add up what agrees in sign.

    τ̂ₜ as in Breadcrumbs; γ = sgn Σ τ̂ₜ; θ* = θ₀ + λ · Σ { τ̂ₜ : sgn τ̂ₜ = γ }

    Args:
        tau: Task vectors.
        ranks: Place of each entry in its row or tensor.
        majority: The sign that most entries of the tensor elect.
        weights: One coefficient per expert.
        density: Share of entries each expert keeps, those right below the outliers.
        gamma: Share of the largest entries that is left out as outliers.
        trim: Rank entries within each row (the paper) or within each tensor (mergekit).
        elect: Let values vote by size ("sum") or each expert count the same ("count").
        tie: The sign where votes cancel: what most entries elect, plus, or none at all.
        combine: How values that agree become one; "weighted" divides by their coefficients.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's ranks within tensors, with scale 1.
    Fails: The election runs over few entries at small densities, so most of what is kept stands
        alone and is never outvoted. Short rows keep one entry at least.
    Cost: One ranking of each row or tensor per expert.
    Reference: Davari and Belilovsky, Model Breadcrumbs: Scaling Multi-Task Model Merging with
        Sparse Masks, 2024, arXiv:2312.06795, with the election of Yadav et al., TIES-Merging:
        Resolving Interference When Merging Models, 2023, arXiv:2306.01708, as mergekit's
        `breadcrumbs_ties` combines them.
    """
    kept = band(ranks, density, gamma, trim, tau).mul_(tau)
    sign = elect_sign(kept, elect, tie, majority)
    return combine_agreeing(kept, sign, combine, weights, reuse=True).mul_(scale)

"""DELLA: drop at random, small changes first, rescale, combine those that agree in sign."""

from typing import Annotated, Literal

from merger.algebra import combine_agreeing, elect_sign, votes
from merger.masks import magprune
from merger.notices import BOTH_SIGNS, CLIPPED, KEEPS_ALL, KEEPS_NONE, SAME_FACTOR, only
from merger.spec import (
    Coefficients,
    Delta,
    Deltas,
    Knob,
    Majority,
    Ranks,
    Uniform,
    merge_method,
    of,
)

Density = Annotated[
    float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="1−p", per_expert=True)
]
Epsilon = Annotated[
    float, Knob(0.0, 0.5, slider=(0.0, 0.25), step=0.01, symbol="ε", per_expert=True)
]
Rescale = Literal["inverse", "l1", "none"]
InRows = Annotated[Ranks, of(scope="row")]


def ballot(
    tau: Deltas,
    draws: Uniform,
    ranks: InRows,
    *,
    density: Density = 0.7,
    epsilon: Epsilon = 0.07,
    rescale: Rescale = "inverse",
    elect: Literal["sum", "count"] = "sum",
) -> Delta:
    """Return the votes whose sign is elected."""
    return votes(magprune(tau, draws, ranks, density, epsilon, rescale), elect)


@merge_method(
    "DELLA",
    family="drop and rescale",
    paper="arXiv:2406.11617",
    evidence="code run",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "seeded",
        "local",
    ),
    neutral={"density": 1.0},
    notices=(
        CLIPPED, KEEPS_ALL, KEEPS_NONE, only("combine", "weighted", SAME_FACTOR),
        only("combine", "weighted", BOTH_SIGNS),
    ),
    scope=lambda knobs: "tensor" if knobs["rescale"] == "l1" else "row",
    dialects={"mergekit": {"epsilon": 0.15, "rescale": "l1", "tie": "plus"}},
)  # fmt: skip
def della(
    tau: Deltas,
    draws: Uniform,
    ranks: InRows,
    majority: Annotated[Majority, of(on=ballot)],
    weights: Coefficients,
    *,
    density: Density = 0.7,
    epsilon: Epsilon = 0.07,
    rescale: Rescale = "inverse",
    elect: Literal["sum", "count"] = "sum",
    tie: Literal["majority", "plus", "drop"] = "majority",
    combine: Literal["weighted", "mean", "sum", "max"] = "weighted",
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 1.0,
    dialect: Literal["paper", "mergekit"] = "paper",
) -> Delta:
    """Drop changes at random, small ones more often, and combine those that agree in sign.

    pᵢ = d − ε + 2ε qᵢ with qᵢ the rank of |τᵢ| in its row, 0 to 1; τ̃ᵢ = mᵢ τᵢ / pᵢ,
    mᵢ ~ Bernoulli(pᵢ); γ = sgn Σ τ̃ₜ; θ* = θ₀ + λ · Σ τ̃ₜ / Σ wₜ over those with sgn τ̃ₜ = γ

    Args:
        tau: Task vectors.
        draws: Uniform random numbers.
        ranks: Place of each entry in its row.
        majority: The sign that most entries of the tensor elect.
        weights: One coefficient per expert.
        density: Mean share of entries each expert keeps.
        epsilon: The largest entry of a row is kept that much more often, the smallest less.
        rescale: Divide by each entry's own probability, restore each tensor's sum of magnitudes,
            or leave it.
        elect: Let values vote by size ("sum") or each expert count the same ("count").
        tie: The sign where votes cancel: what most entries elect, plus, or none at all.
        combine: How values that agree become one; "weighted" divides by their coefficients.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's restores sums of magnitudes, with ε 0.15.
    Raises: an error when density lies within epsilon of 0 or 1 without being one of them.
    Words: MagPrune, dropout, Bernoulli.
    Fails: A density within ε of 0 or 1 is refused. Rows of one entry have no rank and are kept by
        lot alone; what is dropped cannot vote, so another seed elects other signs.
    Cost: One ranking of each row per expert.
    Reference: Deep et al., DELLA-Merging: Reducing Interference in Model Merging through
        Magnitude-Based Sampling, 2024, arXiv:2406.11617. A row is one output channel, a vector one
        row; entries of equal size rank by their place. mergekit ranks kernels of more than two
        axes along the second axis only.
    """
    kept = magprune(tau, draws, ranks, density, epsilon, rescale)
    sign = elect_sign(kept, elect, tie, majority)
    return combine_agreeing(kept, sign, combine, weights, reuse=True).mul_(scale)

"""TIES: trim, elect a sign, combine those that agree."""

from typing import Annotated, Literal

from merger.algebra import combine_agreeing, elect_sign, keep, votes
from merger.notices import BOTH_SIGNS, KEEPS_ALL, KEEPS_NONE, SAME_FACTOR, Notice, only
from merger.spec import (
    Coefficients,
    Cut,
    Delta,
    Deltas,
    Knob,
    Majority,
    RawDeltas,
    merge_method,
    of,
)

Trimmed = Annotated[Cut, of("density", scope="trim")]
Density = Annotated[
    float, Knob(0.0, 1.0, slider=(0.05, 1.0), step=0.01, symbol="k", per_expert=True)
]
Ballots = Literal["weighted", "equal"]


def ballot(
    tau: Deltas,
    raw: RawDeltas,
    cut: Trimmed,
    *,
    density: Density = 0.2,
    trim: Literal["global", "tensor"] = "global",
    elect: Literal["sum", "count"] = "sum",
    ballots: Ballots = "weighted",
) -> Delta:
    """Return the votes whose sign is elected."""
    return votes(keep(raw if ballots == "equal" else tau, cut), elect)


SUMS = Notice(
    lambda case: case.knobs["combine"] == "sum" and case.knobs["scale"] >= 1.0 and case.n > 1,
    "Values that agree are added up here, so that a scale of 1 is large.",
    "Sums usually take a scale of about 0.3.",
)


@merge_method(
    "TIES",
    family="sign consensus",
    paper="arXiv:2306.01708",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift"),
    neutral={"density": 1.0},
    notices=(
        KEEPS_ALL, KEEPS_NONE, only("combine", "weighted", SAME_FACTOR),
        only("combine", "weighted", BOTH_SIGNS), SUMS,
    ),
    dialects={
        "mergekit": {"trim": "tensor", "combine": "weighted", "tie": "plus"},
        "peft": {"trim": "tensor", "tie": "plus", "ballots": "equal"},
    },
)  # fmt: skip
def ties(
    tau: Deltas,
    raw: RawDeltas,
    cut: Trimmed,
    majority: Annotated[Majority, of(scope="trim", on=ballot)],
    weights: Coefficients,
    *,
    density: Density = 0.2,
    trim: Literal["global", "tensor"] = "global",
    elect: Literal["sum", "count"] = "sum",
    tie: Literal["majority", "plus", "drop"] = "majority",
    ballots: Ballots = "weighted",
    combine: Literal["mean", "sum", "max", "weighted"] = "mean",
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 1.0,
    dialect: Literal["paper", "mergekit", "peft"] = "paper",
) -> Delta:
    """Keep each expert's largest changes, then combine only those that agree in sign.

    τ̂ₜ = top-k(τₜ); γ = sgn Σ τ̂ₜ; θ* = θ₀ + λ · mean { τ̂ₜ : sgn τ̂ₜ = γ }

    Args:
        tau: Task vectors.
        raw: Task vectors before any coefficient.
        cut: Which entries survive the trim.
        majority: The sign that most entries elect.
        weights: One coefficient per expert.
        density: Share of entries each expert keeps, the largest ones.
        trim: Rank entries over the whole model (the paper) or within each tensor (mergekit).
        elect: Let values vote by size ("sum") or each expert count the same ("count").
        tie: The sign where votes cancel: what most entries elect, plus, or none at all.
        ballots: Whether coefficients count in the election, or only afterwards.
        combine: How values that agree become one; "weighted" divides by their coefficients.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's and PEFT's trim per tensor, mergekit's takes
            weighted means, PEFT's elects without coefficients.
    Words: LoRA, top-k, majority.
    Fails: Ranked over the whole model, tensors with small changes may keep nothing. At density 1
        it is still not task arithmetic unless all signs agree. Coefficients of both signs can make
        `combine: weighted` explode (measured: 340 from changes of at most 2.3).
    Reference: Yadav et al., TIES-Merging: Resolving Interference When Merging Models, 2023,
        arXiv:2306.01708. Differs: exactly k entries are kept (the authors' code keeps k + 1),
        equal magnitudes by lowest index.
    """
    later = ballots == "equal"
    kept = keep(raw if later else tau, cut)
    sign = elect_sign(kept, elect, tie, majority)
    return combine_agreeing(
        kept, sign, combine, weights, weights if later else (), reuse=True
    ).mul_(scale)

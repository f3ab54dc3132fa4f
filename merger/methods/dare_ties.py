"""DARE with TIES: drop at random and rescale, then elect a sign and combine those that agree."""

from typing import Annotated, Literal

from merger.algebra import combine_agreeing, drop, elect_sign, votes
from merger.spec import (
    Coefficients,
    Cut,
    Delta,
    Deltas,
    Knob,
    Majority,
    RawDeltas,
    Uniform,
    merge_method,
    of,
)

Density = Annotated[
    float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="1−p", per_expert=True)
]
Keep = Annotated[float, Knob(0.0, 1.0, slider=(0.05, 1.0), step=0.01, symbol="k")]
Rescale = Literal["inverse", "l1", "none"]
Ballots = Literal["weighted", "equal"]


def dropped(
    tau: Deltas, draws: Uniform, *, density: Density = 0.5, rescale: Rescale = "inverse"
) -> Deltas:
    """Return the task vectors after dropping, which is what gets trimmed."""
    return drop(tau, draws, density, rescale)


Trimmed = Annotated[Cut, of("keep_share", scope="trim", on=dropped)]


def ballot(
    tau: Deltas,
    raw: RawDeltas,
    draws: Uniform,
    cut: Trimmed,
    *,
    density: Density = 0.5,
    rescale: Rescale = "inverse",
    keep_share: Keep = 0.2,
    trim: Literal["global", "tensor"] = "global",
    elect: Literal["sum", "count"] = "sum",
    ballots: Ballots = "weighted",
) -> Delta:
    """Return the votes whose sign is elected."""
    voters = raw if ballots == "equal" else tau
    return votes(drop(voters, draws, density, rescale).mul_(cut), elect)


@merge_method(
    "DARE TIES",
    family="drop and rescale",
    paper="arXiv:2311.03099",
    evidence="code run",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "seeded",
    ),
    neutral={"density": 1.0, "keep_share": 1.0},
    scope=lambda knobs: "tensor" if knobs["rescale"] == "l1" else "element",
    dialects={
        "mergekit": {
            "rescale": "l1", "keep_share": 1.0, "trim": "tensor", "tie": "plus", "combine": "sum",
        },
        "peft": {"keep_share": 1.0, "trim": "tensor", "tie": "plus", "ballots": "equal"},
    },
)  # fmt: skip
def dare_ties(
    tau: Deltas,
    raw: RawDeltas,
    draws: Uniform,
    cut: Trimmed,
    majority: Annotated[Majority, of(scope="trim", on=ballot)],
    weights: Coefficients,
    *,
    density: Density = 0.5,
    rescale: Rescale = "inverse",
    keep_share: Keep = 0.2,
    trim: Literal["global", "tensor"] = "global",
    elect: Literal["sum", "count"] = "sum",
    tie: Literal["majority", "plus", "drop"] = "majority",
    ballots: Ballots = "weighted",
    combine: Literal["mean", "sum", "max", "weighted"] = "mean",
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 1.0,
    dialect: Literal["paper", "mergekit", "peft"] = "paper",
) -> Delta:
    """Drop changes at random, keep the largest of the rest, combine those that agree in sign.

    τ̃ₜ = mₜ ⊙ τₜ / (1 − p); then TIES on τ̃ₜ: trim, elect γ = sgn Σ τ̂ₜ, mean of those that agree

    Args:
        tau: Task vectors.
        raw: Task vectors before any coefficient.
        draws: Uniform random numbers.
        cut: Which entries survive the trim.
        majority: The sign that most entries elect.
        weights: One coefficient per expert.
        density: Share of entries each expert keeps, drawn at random.
        rescale: Divide by the density, restore each tensor's sum of magnitudes, or leave it.
        keep_share: Share of all entries that survives the trim after dropping; 1 does not trim.
        trim: Rank entries over the whole model (the paper) or within each tensor.
        elect: Let values vote by size ("sum") or each expert count the same ("count").
        tie: The sign where votes cancel: what most entries elect, plus, or none at all.
        ballots: Whether coefficients count in the election, or only afterwards.
        combine: How values that agree become one; "weighted" divides by their coefficients.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's and PEFT's do not trim, mergekit's adds up what
            agrees, PEFT's elects without coefficients.
    Words: LoRA, dropout, Bernoulli.
    Fails: What is dropped by lot cannot vote, so another seed elects other signs. Two cuts follow
        each other: the trim takes its share of what the lot has left.
    Reference: Yu et al., Language Models are Super Mario: Absorbing Abilities from Homologous
        Models as a Free Lunch, 2024, arXiv:2311.03099, with Yadav et al., TIES-Merging: Resolving
        Interference When Merging Models, 2023, arXiv:2306.01708.
    """
    later = ballots == "equal"
    kept = drop(raw if later else tau, draws, density, rescale).mul_(cut)
    sign = elect_sign(kept, elect, tie, majority)
    return combine_agreeing(
        kept, sign, combine, weights, weights if later else (), reuse=True
    ).mul_(scale)

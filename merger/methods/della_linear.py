"""DELLA without election: drop at random, small changes first, rescale, add up."""

from typing import Annotated, Literal

from merger.algebra import total
from merger.masks import magprune
from merger.notices import CLIPPED, KEEPS_ALL, KEEPS_NONE
from merger.spec import Delta, Deltas, Knob, Ranks, Uniform, merge_method, of


@merge_method(
    "DELLA linear",
    family="drop and rescale",
    paper="arXiv:2406.11617",
    evidence="code run",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "seeded",
        "local",
    ),
    neutral=lambda n: {"density": 1.0, "scale": 1.0 / n},
    notices=(CLIPPED, KEEPS_ALL, KEEPS_NONE),
    scope=lambda knobs: "tensor" if knobs["rescale"] == "l1" else "row",
    dialects={"mergekit": {"epsilon": 0.15, "rescale": "l1"}},
)  # fmt: skip
def della_linear(
    tau: Deltas,
    draws: Uniform,
    ranks: Annotated[Ranks, of(scope="row")],
    *,
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="1−p", per_expert=True)
    ] = 0.7,
    epsilon: Annotated[
        float, Knob(0.0, 0.5, slider=(0.0, 0.25), step=0.01, symbol="ε", per_expert=True)
    ] = 0.07,
    rescale: Literal["inverse", "l1", "none"] = "inverse",
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 1.0,
    dialect: Literal["paper", "mergekit"] = "paper",
) -> Delta:
    """Drop changes at random, small ones more often, enlarge the rest to match, and add up.

    pᵢ = d − ε + 2ε qᵢ with qᵢ the rank of |τᵢ| in its row, 0 to 1;
    θ* = θ₀ + λ Σ mₜ ⊙ τₜ / pₜ, with mₜ ~ Bernoulli(pₜ)

    Args:
        tau: Task vectors.
        draws: Uniform random numbers.
        ranks: Place of each entry in its row.
        density: Mean share of entries each expert keeps.
        epsilon: The largest entry of a row is kept that much more often, the smallest less.
        rescale: Divide by each entry's own probability, restore each tensor's sum of magnitudes,
            or leave it.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's restores sums of magnitudes, with ε 0.15.
    Raises: an error when density lies within epsilon of 0 or 1 without being one of them.
    Words: MagPrune, dropout, Bernoulli.
    Fails: A density within ε of 0 or 1 is refused. Signs are not compared: what disagrees cancels.
    Cost: One ranking of each row per expert.
    Reference: Deep et al., DELLA-Merging: Reducing Interference in Model Merging through
        Magnitude-Based Sampling, 2024, arXiv:2406.11617, as mergekit's `della_linear` combines it.
        A row is one output channel, a vector one row.
    """
    return total(magprune(tau, draws, ranks, density, epsilon, rescale)) * scale

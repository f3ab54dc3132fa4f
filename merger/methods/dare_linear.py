"""DARE: drop changes at random, rescale the rest, add them up."""

from typing import Annotated, Literal

from merger.algebra import drop, total
from merger.notices import KEEPS_ALL, KEEPS_NONE
from merger.spec import Delta, Deltas, Knob, Uniform, merge_method


@merge_method(
    "DARE linear",
    family="drop and rescale",
    paper="arXiv:2311.03099",
    evidence="code run",
    laws=(
        "zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "seeded",
        "local",
    ),
    neutral=lambda n: {"density": 1.0, "scale": 1.0 / n},
    notices=(KEEPS_ALL, KEEPS_NONE),
    scope=lambda knobs: "tensor" if knobs["rescale"] == "l1" else "element",
    dialects={"mergekit": {"rescale": "l1", "scale": 1.0}, "peft": {"scale": 1.0}},
)  # fmt: skip
def dare_linear(
    tau: Deltas,
    draws: Uniform,
    *,
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="1−p", per_expert=True)
    ] = 0.5,
    rescale: Literal["inverse", "l1", "none"] = "inverse",
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 0.3,
    dialect: Literal["paper", "mergekit", "peft"] = "paper",
) -> Delta:
    """Drop a random part of each expert's changes, enlarge the rest to match, and add up.

    θ* = θ₀ + λ Σ mₜ ⊙ τₜ / (1 − p), with mₜ ~ Bernoulli(1 − p)

    Args:
        tau: Task vectors.
        draws: Uniform random numbers.
        density: Share of entries each expert keeps, drawn at random.
        rescale: Divide by the density, restore each tensor's sum of magnitudes, or leave it.
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's and PEFT's have scale 1, and mergekit's restores
            sums of magnitudes.
    Words: LoRA, dropout, Bernoulli.
    Fails: At a density of 0.1 every survivor is multiplied by 10, so seeds differ visibly. With
        `rescale: l1` small tensors are biased: their large entries shrink and their small ones
        grow.
    Reference: Yu et al., Language Models are Super Mario: Absorbing Abilities from Homologous
        Models as a Free Lunch, 2024, arXiv:2311.03099. Differs: given by the share kept, not
        dropped; draws depend on seed and names alone.
    """
    return total(drop(tau, draws, density, rescale)) * scale

"""TALL-masks: one merged update and one bit mask per expert, which gives each expert back."""

from typing import Annotated, Literal

from merger.masks import add_updates, own_masks, unify
from merger.spec import Base, Deltas, Knob, Majority, PerTask, Share, merge_method, of
from merger.unified import Trimmed, ballot


@merge_method(
    "TALL-masks",
    family="masks",
    paper="arXiv:2405.07813",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"strictness": 0.0, "scale": 1.0 / n},
)
def tall_masks(
    tau: Deltas,
    base: Base,
    cut: Trimmed,
    majority: Annotated[Majority, of(scope="global", on=ballot)],
    *,
    strictness: Annotated[
        float, Knob(0.0, slider=(0.0, 2.0), step=0.05, symbol="λₜ", per_expert=True)
    ] = 0.4,
    unified: Literal["sum", "ties"] = "sum",
    density: Share = 0.2,
    scale: Annotated[float, Knob(slider=(0.0, 2.0), step=0.05, symbol="α")] = 1.0,
) -> PerTask:
    """Cut each expert's model out of one merged update with a mask of one bit per entry.

    mₜ = 1[ |τₜ| > λₜ |τ_MT − τₜ| ] with τ_MT = Σ τₜ; θ̂ₜ = θ₀ + α · mₜ ⊙ τ_MT

    Args:
        tau: Task vectors.
        base: The base's weights.
        cut: Which entries survive the trim of TIES.
        majority: The sign that most entries elect, for TIES.
        strictness: How many times an expert's own change must outweigh what the others add.
        unified: What the masks cut from: the sum of task vectors, or what TIES adds up.
        density: Share of entries each expert keeps before TIES; without effect on the sum.
        scale: Multiplies the whole update.
    Words: mask, compression.
    Fails: Gives one model per expert, so the task of an input must be known. λₜ comes from
        validation in the paper, and this one from no data. Equal experts get masks of all ones or
        all zeros, depending on λₜ alone.
    Reference: Wang et al., Localizing Task Information for Improved Model Merging and Compression,
        2024, arXiv:2405.07813. The authors choose λₜ on validation from 0.2 to 0.6. Stored as
        base, τ_MT and one bit per entry and expert.
    """
    whole = unify(tau, cut, majority)
    return add_updates(base, own_masks(tau, whole, strictness).mul_(whole * scale))

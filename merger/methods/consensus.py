"""Consensus: keep only what several experts would miss."""

from typing import Annotated, Literal

from merger.lazy import torch
from merger.masks import count_masks, unify
from merger.spec import Delta, Deltas, Knob, Majority, Notice, Share, merge_method, of
from merger.unified import Trimmed, ballot


@merge_method(
    "Consensus",
    family="masks",
    paper="arXiv:2405.07813",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"strictness": 0.0, "k": 1, "scale": 1.0 / n},
    notices=(
        Notice(
            lambda case: case.knobs["k"] > case.n,
            "k is larger than the number of experts, so that no change is kept and the base comes "
            "back.",
            "Lower k.",
        ),
    ),
)
def consensus(
    tau: Deltas,
    cut: Trimmed,
    majority: Annotated[Majority, of(scope="global", on=ballot)],
    *,
    k: Annotated[int, Knob(0, slider=(0, 8), step=1)] = 2,
    strictness: Annotated[
        float, Knob(0.0, slider=(0.0, 2.0), step=0.05, symbol="λₜ", per_expert=True)
    ] = 0.4,
    unified: Literal["sum", "ties"] = "sum",
    density: Share = 0.2,
    scale: Annotated[float, Knob(slider=(0.0, 1.0), step=0.05, symbol="α")] = 0.3,
) -> Delta:
    """Keep only the changes that at least k experts need, and drop those of one or none.

    mₜ = 1[ |τₜ| > λₜ |τ_MT − τₜ| ] with τ_MT = Σ τₜ; θ* = θ₀ + α · 1[ Σ mₜ ≥ k ] ⊙ τ_MT

    Args:
        tau: Task vectors.
        cut: Which entries survive the trim of TIES.
        majority: The sign that most entries elect, for TIES.
        k: How many experts must need an entry; 1 drops what nobody needs, 0 drops nothing.
        strictness: How many times an expert's own change must outweigh what the others add.
        unified: What the masks cut from: the sum of task vectors, or what TIES adds up.
        density: Share of entries each expert keeps before TIES; without effect on the sum.
        scale: Multiplies the whole update.
    Fails: Drops what one expert alone needs, which for very different tasks is most of what it
        learned. With k above the number of experts the base is left; λₜ comes from validation in
        the paper, and this one from no data.
    Reference: Wang et al., Localizing Task Information for Improved Model Merging and Compression,
        2024, arXiv:2405.07813. The authors choose λₜ on validation from 0.2 to 0.6.
    """
    whole = unify(tau, cut, majority)
    count = count_masks(tau, whole, strictness)
    return whole.mul_(torch.ge(count, k, out=count)).mul_(scale)

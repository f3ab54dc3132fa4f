"""Model Breadcrumbs: leave out the largest outliers and the small noise, add up the rest."""

from typing import Annotated, Literal

from merger.algebra import total
from merger.masks import band
from merger.notices import KEEPS_ALL, KEEPS_NONE, only
from merger.spec import Delta, Deltas, Knob, Ranks, merge_method, of


@merge_method(
    "Breadcrumbs",
    family="sign consensus",
    paper="arXiv:2312.06795",
    evidence="code run",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"density": 1.0, "gamma": 0.0, "scale": 1.0 / n},
    notices=(only("gamma", 0.0, KEEPS_ALL), KEEPS_NONE),
    scope=lambda knobs: knobs["trim"],
    dialects={"mergekit": {"trim": "tensor", "scale": 1.0}},
)
def breadcrumbs(
    tau: Deltas,
    ranks: Annotated[Ranks, of(scope="trim")],
    *,
    density: Annotated[
        float, Knob(0.0, 1.0, slider=(0.01, 1.0), step=0.01, symbol="β", per_expert=True)
    ] = 0.2,
    gamma: Annotated[
        float, Knob(0.0, 1.0, slider=(0.0, 0.2), step=0.01, symbol="γ", per_expert=True)
    ] = 0.01,
    trim: Literal["row", "tensor"] = "row",
    scale: Annotated[float, Knob(slider=(-1.0, 2.0), step=0.05, symbol="λ")] = 0.4,
    dialect: Literal["paper", "mergekit"] = "paper",
) -> Delta:
    """Leave out each expert's largest outliers and its small changes, and add up the rest.

    τ̂ₜ = entries of τₜ from rank γc + 1 to (γ + β)c by magnitude in their row; θ* = θ₀ + λ Σ τ̂ₜ

    Args:
        tau: Task vectors.
        ranks: Place of each entry in its row or tensor.
        density: Share of entries each expert keeps, those right below the outliers.
        gamma: Share of the largest entries that is left out as outliers.
        trim: Rank entries within each row (the paper) or within each tensor (mergekit).
        scale: Multiplies the whole update.
        dialect: Whose defaults to use; mergekit's ranks within tensors, with scale 1.
    Fails: Short rows keep one entry at least, a large part of a small kernel. What is kept is
        added up, so λ has to fall as experts are added.
    Cost: One ranking of each row or tensor per expert.
    Reference: Davari and Belilovsky, Model Breadcrumbs: Scaling Multi-Task Model Merging with
        Sparse Masks, 2024, arXiv:2312.06795. Differs: a row is one output channel, kernels
        included, and keeps at least one entry (the authors' code ranks the last axis, which
        empties kernels of 3 × 3 at small shares).
    """
    return total(band(ranks, density, gamma, trim, tau).mul_(tau)) * scale

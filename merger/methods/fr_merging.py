"""FR-Merging: remove the low frequencies of each task matrix, then add up."""

from typing import Annotated, Literal

from merger.algebra import total, weighted_total
from merger.filters import equal_sizes, high_pass
from merger.spec import Costly, Delta, Deltas, Key, Knob, Share, merge_method, of

FilterBy = Literal["share", "distance"]
Rho = Annotated[float, Knob(0.0, slider=(0.0, 1.0), step=0.05, symbol="ρ")]


def filtered(
    tau: Deltas,
    key: Key,
    *,
    filter_by: FilterBy = "share",
    frequencies: Share = 0.9,
    rho: Rho = 0.7,
    align: bool = False,
) -> Delta:
    """Return the sum of the task vectors without its low frequencies."""
    # Filtering is linear: one pass over the sum is that of every expert.
    summed = weighted_total(tau, equal_sizes(tau)) if align else total(tau)
    return high_pass(summed.unsqueeze(0), key, filter_by, frequencies, rho)[0]


@merge_method(
    "FR-Merging",
    family="spectral",
    paper="arXiv:2411.16815",
    evidence="code read",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(0.0, 6.3),
)
def fr_merging(
    update: Annotated[Costly, of(on=filtered)],
    *,
    filter_by: FilterBy = "share",
    frequencies: Share = 0.9,
    rho: Rho = 0.7,
    align: bool = False,
    scale: Annotated[float, Knob(slider=(0.0, 1.0), step=0.05, symbol="λ")] = 0.3,
) -> Delta:
    """Remove the low frequencies of what experts changed in each matrix, and add up the rest.

    τ̂ₜ = F⁻¹( H ⊙ F(τₜ) ) with H a high-pass filter; θ* = θ₀ + λ Σ τ̂ₜ

    Args:
        update: The sum of the filtered task vectors.
        filter_by: Remove a share of the lowest frequencies, or cut by the distance that the
            authors' code uses, whose strength depends on the shape of each matrix.
        frequencies: Share of the frequencies that is kept, for "share".
        rho: Where "distance" cuts; from 0.71 on it removes nothing of a square matrix.
        align: First scale the experts to the same mean magnitude within each tensor.
        scale: Multiplies the whole update.
    Words: Fourier, FFT, high-pass.
    Fails: With `filter_by: distance` the strength follows the shape of a matrix: ρ = 0.7 removes
        0.02 % of a square one and 58 % of one three times as high as wide. Everything but matrices
        of linear layers stays as in the base.
    Cost: One Fourier transform there and back per expert and matrix.
    Reference: Zheng and Wang, FREE-Merging: Fourier Transform for Model Merging with Lightweight
        Experts, 2024, arXiv:2411.16815. Matrices of linear layers only; everything else stays as
        in the base. The share kept is our setting.
    """
    return update * scale

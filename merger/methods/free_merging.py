"""FREE-Merging: a filtered merge for all, and each expert's strongest changes on top."""

from math import log10
from typing import Annotated, Literal

from merger.algebra import row_length, total
from merger.filters import equal_sizes, high_pass
from merger.lazy import Tensor, torch
from merger.masks import add_updates, band
from merger.spec import (
    Base,
    Costly,
    Deltas,
    Key,
    Knob,
    PerTask,
    Ranks,
    Share,
    Sizes,
    merge_method,
    of,
)
from merger.spectral import is_linear

FilterBy = Literal["share", "distance"]
Rho = Annotated[float, Knob(0.0, slider=(0.0, 1.0), step=0.05, symbol="ρ")]
Density = Annotated[float, Knob(0.0, 1.0, slider=(0.005, 0.1), step=0.005, symbol="d")]
InRows = Annotated[Ranks, of(scope="row")]


def filtered(
    tau: Deltas,
    key: Key,
    *,
    filter_by: FilterBy = "share",
    frequencies: Share = 0.9,
    rho: Rho = 0.7,
    align: bool = False,
) -> Deltas:
    """Return the task vectors without their low frequencies."""
    factors = equal_sizes(tau) if align else ()
    return high_pass(tau, key, filter_by, frequencies, rho, factors)


def strongest(tau: Deltas, ranks: InRows, key: Key, *, density: Density = 0.01) -> Deltas:
    """Return the strongest changes of each row of each expert's matrices."""
    if not is_linear(key, tau):
        return torch.zeros_like(tau)
    return band(ranks, density, 0.0, "row", tau).mul_(tau)


Filtered = Annotated[Costly, of(on=filtered)]


def counted(tau: Deltas, ranks: InRows, key: Key, *, density: Density = 0.01) -> Deltas:
    """Return the strongest changes, made smaller where short rows keep more than their share."""
    columns = row_length(tau.shape[1:])
    kept = max(1, int(density * columns))
    return strongest(tau, ranks, key, density=density).mul_(density * columns / kept)


def measured(each: Filtered) -> Deltas:
    """Return the filtered task vectors, of which the survey takes the size."""
    return each


@merge_method(
    "FREE-Merging",
    family="masks",
    paper="arXiv:2411.16815",
    evidence="code read",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift"),
    scope="tensor",
    memory=(1.0, 4.3),
)
def free_merging(
    tau: Deltas,
    base: Base,
    ranks: InRows,
    key: Key,
    each: Filtered,
    own: Annotated[Sizes, of(scope="global", on=counted)],
    shared: Annotated[Sizes, of(scope="global", on=measured)],
    *,
    density: Density = 0.01,
    filter_by: FilterBy = "share",
    frequencies: Share = 0.9,
    rho: Rho = 0.7,
    align: bool = False,
    scale: Annotated[float, Knob(slider=(0.0, 1.0), step=0.05, symbol="λ")] = 0.5,
) -> PerTask:
    """Give each expert a filtered merge of all, with its own strongest changes on top.

    eₜ = μₜ · top-d of each row of τₜ with μₜ = −log₁₀ d · (mean |top-d| / d) / mean |τ̂ₜ|;
    θ̂ₜ = θ₀ + λ · (eₜ where that is not 0, else Σ τ̂ⱼ as in FR-Merging)

    Args:
        tau: Task vectors.
        base: The base's weights.
        ranks: Place of each entry in its row.
        key: The tensor's name.
        each: The filtered task vectors.
        own: Mean magnitudes of each expert's strongest changes.
        shared: Mean magnitudes of the filtered task vectors.
        density: Share of each row that an expert keeps to itself.
        filter_by: Remove a share of the lowest frequencies, or cut by the distance that the
            authors' code uses, whose strength depends on the shape of each matrix.
        frequencies: Share of the frequencies that is kept, for "share".
        rho: Where "distance" cuts; from 0.71 on it removes nothing of a square matrix.
        align: First scale the experts to the same mean magnitude within each tensor.
        scale: Multiplies the whole update.
    Words: Fourier, FFT, high-pass.
    Fails: Gives one model per expert, so the task of an input must be known. Everything but
        matrices of linear layers stays as in the base. Very small shares are enlarged the most, so
        an expert's few own entries may outweigh all else.
    Cost: One Fourier transform there and back per expert and matrix.
    Reference: Zheng and Wang, FREE-Merging: Fourier Transform for Model Merging with Lightweight
        Experts, 2024, arXiv:2411.16815. Matrices of linear layers only, means over these;
        everything else stays as in the base. λ is applied once (the authors' code applies it twice
        to what all share), and rows too short for the share keep one entry.
    """
    ratios = [_ratio(o, s, density) for o, s in zip(own[1], shared[1], strict=True)]
    factors = torch.tensor(ratios).to(tau).reshape(-1, *[1] * base.dim())
    kept = strongest(tau, ranks, key, density=density).mul_(factors)
    for_all = total(each)
    for row in kept:
        row.copy_(torch.where(row != 0.0, row, for_all))
    return add_updates(base, kept.mul_(scale))


def _ratio(own: Tensor, shared: Tensor, density: float) -> float:
    if density <= 0.0 or shared <= 0.0:
        return 0.0
    return -log10(density) * float(own) / density / float(shared)

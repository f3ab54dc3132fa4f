"""Twin-Merging, static: a merge for all, plus a fixed mix of what is each expert's alone."""

from typing import Annotated

from merger.algebra import divisor, total, weighted_total
from merger.filters import low_rank
from merger.spec import (
    Coefficients,
    Costly,
    Delta,
    Deltas,
    Knob,
    RawDeltas,
    Share,
    merge_method,
    of,
)

SharedScale = Annotated[float, Knob(slider=(-1.0, 2.0), step=0.01, symbol="λₛ")]


def exclusive(tau: RawDeltas, *, rank: Share = 0.1, shared_scale: SharedScale = 0.29) -> Deltas:
    """Return the strongest directions in which each expert differs from the shared merge."""
    return low_rank(tau, rank, shared_scale)


@merge_method(
    "Twin-Merging",
    family="spectral",
    paper="arXiv:2406.15479",
    evidence="code read",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral={"rank": 1.0},
    scope="tensor",
    memory=(1.0, 7.8),
)
def twin(
    tau: RawDeltas,
    own: Annotated[Costly, of(on=exclusive)],
    weights: Coefficients,
    *,
    rank: Share = 0.1,
    shared_scale: SharedScale = 0.29,
) -> Delta:
    """Merge what experts share, and add a fixed mix of what each one knows alone.

    θₛ = θ₀ + λₛ Σ τₜ; vₜ = SVD_ρ(θₜ − θₛ); θ* = θₛ + Σ wₜ vₜ / Σ wₜ

    Args:
        tau: Task vectors before any coefficient.
        own: The strongest directions of what each expert knows alone.
        weights: How much each expert counts in the mix.
        rank: Share of each matrix's directions that an expert keeps to itself.
        shared_scale: Scale of the task arithmetic that experts share.
    Raises: an error when the coefficients add up to 0.
    Words: router, SVD, low rank.
    Fails: A fixed mix cannot choose an expert for an input, which is what the paper's router is
        for. At rank 1 with equal coefficients it is the plain average, whatever is shared.
    Cost: One SVD per expert and matrix.
    Reference: Lu et al., Twin-Merging: Dynamic Integration of Modular Expertise in Model Merging,
        2024, arXiv:2406.15479. Differs: the mix is fixed, where the paper trains a router that
        chooses it for each input. With rank 1 and equal coefficients it is the plain average,
        whatever is shared.
    """
    return total(tau) * shared_scale + weighted_total(own, weights) / divisor(weights)

"""Twin-Merging for known tasks: a merge for all, plus what is the one expert's alone."""

from typing import Annotated

from merger.algebra import total
from merger.filters import low_rank
from merger.masks import add_updates
from merger.spec import Base, Costly, Deltas, Knob, PerTask, Share, merge_method, of

SharedScale = Annotated[float, Knob(slider=(-1.0, 2.0), step=0.01, symbol="λₛ")]


def exclusive(tau: Deltas, *, rank: Share = 0.1, shared_scale: SharedScale = 0.29) -> Deltas:
    """Return the strongest directions in which each expert differs from the shared merge."""
    return low_rank(tau, rank, shared_scale)


@merge_method(
    "Twin-Merging per task",
    family="masks",
    paper="arXiv:2406.15479",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral={"rank": 1.0},
    scope="tensor",
    memory=(1.0, 7.8),
)
def twin_per_task(
    tau: Deltas,
    base: Base,
    own: Annotated[Costly, of(on=exclusive)],
    *,
    rank: Share = 0.1,
    shared_scale: SharedScale = 0.29,
) -> PerTask:
    """Give each expert the shared merge plus a compressed copy of what it knows alone.

    θₛ = θ₀ + λₛ Σ τₜ; vₜ = SVD_ρ(θₜ − θₛ); θ̂ₜ = θₛ + vₜ

    Args:
        tau: Task vectors.
        base: The base's weights.
        own: The strongest directions of what each expert knows alone.
        rank: Share of each matrix's directions that an expert keeps to itself.
        shared_scale: Scale of the task arithmetic that experts share.
    Words: router, SVD, low rank, compression.
    Fails: Gives one model per expert, so the task of an input must be known. What an expert
        changed in many directions is lost at a small rank.
    Cost: One SVD per expert and matrix.
    Reference: Lu et al., Twin-Merging: Dynamic Integration of Modular Expertise in Model Merging,
        2024, arXiv:2406.15479, for inputs whose task is known; the paper trains a router that
        finds it. Vectors are kept whole, kernels count as matrices of one row per output channel.
    """
    return add_updates(base, own + total(tau) * shared_scale)

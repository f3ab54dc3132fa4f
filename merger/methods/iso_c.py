"""Iso-C: the sum of the task vectors with all its directions equally strong."""

from typing import Annotated

from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import by_matrix, isotropic, summed


def flattened(tau: Deltas, key: Key, *, full: bool = False, conv_as_matrix: bool = False) -> Delta:
    """Return the sum with all its directions equally strong."""
    return by_matrix(tau, key, lambda taus: isotropic(summed(taus), full), conv_as_matrix)


@merge_method(
    "Iso-C",
    family="spectral",
    paper="arXiv:2502.04959",
    evidence="code run",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(0.0, 7.8),
)
def iso_c(
    update: Annotated[Costly, of(on=flattened)],
    *,
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="α")] = 1.0,
    full: bool = False,
    conv_as_matrix: bool = False,
) -> Delta:
    """Add up the task vectors, then make every direction of the sum equally strong.

    Σ τₜ = U S Vᵀ; θ* = θ₀ + α · mean(S) · U Vᵀ

    Args:
        update: The sum with all its directions equally strong.
        scale: Multiplies the whole update; matrices are a sum, everything else is a mean.
        full: Strengthen directions that no expert changed too, as the authors' code does.
        conv_as_matrix: Decompose kernels too, as matrices of one row per output channel.
    Words: isotropic, orthogonal, SVD, flat spectrum.
    Fails: A single expert does not come back, because all its directions become equally strong.
        With `full`, adapters and unchanged tensors gain directions that nobody learned.
    Cost: One SVD per matrix.
    Reference: Marczak et al., No Task Left Behind: Isotropic Model Merging with Common and
        Task-Specific Subspaces, 2025, arXiv:2502.04959. Differs: directions that are only rounding
        stay out unless `full`; in the sum of LoRA adapters they are most.
    """
    return update * scale

"""Iso-CTS: common directions and each task's own ones, all equally strong."""

from collections.abc import Sequence
from typing import Annotated

from merger.lazy import Tensor
from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import FAINT, Svd, by_matrix, join, polar, summed, svd

Common = Annotated[float, Knob(0.0, 1.0, slider=(0.0, 1.0), step=0.05, symbol="f")]


def spread(tau: Deltas, key: Key, *, common: Common = 0.8, conv_as_matrix: bool = False) -> Delta:
    """Return common and own directions, all equally strong."""
    return by_matrix(tau, key, lambda taus: _spread(taus, common), conv_as_matrix)


@merge_method(
    "Iso-CTS",
    family="spectral",
    paper="arXiv:2502.04959",
    evidence="code run",
    laws=("zero", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(3.6, 14.6),
)
def iso_cts(
    update: Annotated[Costly, of(on=spread)],
    *,
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="α")] = 1.0,
    common: Common = 0.8,
    conv_as_matrix: bool = False,
) -> Delta:
    """Give the experts' common directions and each task's own ones the same strength.

    U_c = first directions of Σ τₜ; own: first directions of τₜ − U_c U_cᵀ τₜ; θ* = θ₀ + α σ̄ U⊥ V⊥ᵀ

    Args:
        update: Common and own directions, all equally strong.
        scale: Multiplies the whole update; matrices are a sum, everything else is a mean.
        common: Share of the directions that is common; 1 is Iso-C.
        conv_as_matrix: Decompose kernels too, as matrices of one row per output channel.
    Words: isotropic, orthogonal, SVD, flat spectrum.
    Fails: A single expert does not come back, because all its directions become equally strong.
        Small matrices with many experts leave little or no room for directions of their own.
    Cost: One SVD per expert and matrix, and three more.
    Reference: Marczak et al., No Task Left Behind: Isotropic Model Merging with Common and
        Task-Specific Subspaces, 2025, arXiv:2502.04959. Differs: directions that are only rounding
        stay out, and the common ones never become fewer than none, where other implementations
        stop with an error.
    """
    return update * scale


def _spread(taus: Sequence[Tensor], share: float) -> Tensor:
    common, own = _split(min(taus[0].shape), len(taus), share)
    shared = svd(summed(taus)).first(common)
    parts = [svd(tau - shared.left @ (shared.left.T @ tau)).first(own) for tau in taus]
    found = _above_rounding(join([*parts, shared]))
    return (polar(found.left) @ polar(found.right.T).T) * found.strength.mean()


def _split(room: int, n: int, share: float) -> tuple[int, int]:
    """Return how many directions are common, and how many each expert gets for its own."""
    own = round((room - int(room * share)) / n)
    own = min(own, room // n)
    return room - own * n, own


def _above_rounding(found: Svd) -> Svd:
    # What is left of an expert without the common directions may be rounding altogether.
    real = found.strength > FAINT * found.strength.max()
    return Svd(found.left[:, real], found.strength[real], found.right[real])

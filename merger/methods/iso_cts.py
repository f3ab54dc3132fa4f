"""Iso-CTS: common directions and each task's own ones, all equally strong."""

from collections.abc import Sequence
from typing import Annotated

from merger.grams import join, polar_
from merger.lazy import Tensor
from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import FAINT, Svd, by_matrix, decomposed, rank, strongest, summed

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
    memory=(0.2, 8.7),
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
    found = _above_rounding(join(_directions(taus, share)))
    polar_(found.left)
    polar_(found.right.T)
    return (found.left @ found.right).mul_(found.strength.mean())


def _directions(taus: Sequence[Tensor], share: float) -> list[Svd]:
    """Return each expert's own directions outside of the common ones, and these."""
    rows, columns = taus[0].shape
    common, own = _split(min(rows, columns), len(taus), share)
    found = decomposed(summed(taus))
    common = min(common, rank(found.strength))
    shared = Svd(found.left[:, :common], found.strength[:common], found.right[:common].clone())
    # With all left vectors at hand, what lies outside is a matrix of as few rows as are left.
    outside = found.left[:, common:] if rows <= columns and common else None
    del found
    if not own:
        return [shared]
    return [*(_own(taus[i], shared.left, outside, own) for i in range(len(taus))), shared]


def _own(tau: Tensor, common: Tensor, outside: Tensor | None, count: int) -> Svd:
    """Return the strongest directions of what is left of an expert without the common ones."""
    if outside is None:
        tau = (common @ (common.T @ tau)).neg_().add_(tau)
        return strongest(tau, count)
    inside = strongest(outside.T @ tau, count)
    return Svd(outside @ inside.left, inside.strength, inside.right)


def _split(room: int, n: int, share: float) -> tuple[int, int]:
    """Return how many directions are common, and how many each expert gets for its own."""
    own = round((room - int(room * share)) / n)
    own = min(own, room // n)
    return room - own * n, own


def _above_rounding(found: Svd) -> Svd:
    # What is left of an expert without the common directions may be rounding altogether.
    real = found.strength > FAINT * found.strength.max()
    if real.all():
        return found
    return Svd(found.left[:, real], found.strength[real], found.right[real])

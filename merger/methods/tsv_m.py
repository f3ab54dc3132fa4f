"""TSV-Merge: keep the strongest directions of each expert and turn them apart."""

from typing import Annotated

from merger.grams import untangle
from merger.spec import Costly, Delta, Deltas, Key, Knob, merge_method, of
from merger.spectral import by_matrix


def turned_apart(tau: Deltas, key: Key, *, conv_as_matrix: bool = False) -> Delta:
    """Return the sum of the experts' strongest directions, none of which overlap."""
    return by_matrix(tau, key, untangle, conv_as_matrix)


@merge_method(
    "TSV-Merge",
    family="spectral",
    paper="arXiv:2412.00081",
    evidence="code run",
    laws=("zero", "single", "symmetric", "homogeneous", "odd", "shift", "local"),
    scope="tensor",
    memory=(0.4, 8.8),
)
def tsv_m(
    update: Annotated[Costly, of(on=turned_apart)],
    *,
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="α")] = 1.0,
    conv_as_matrix: bool = False,
) -> Delta:
    """Keep each expert's strongest singular directions, turned so that they do not overlap.

    τₜ = Uₜ Sₜ Vₜᵀ; U = [U₁ᵏ … U_Tᵏ] with k = ⌊r/T⌋, V alike; θ* = θ₀ + α · polar(U) S polar(V)ᵀ

    Args:
        update: The experts' strongest directions, turned apart and added up.
        scale: Multiplies the whole update; matrices are a sum, everything else is a mean.
        conv_as_matrix: Decompose kernels too, as matrices of one row per output channel.
    Words: TSV, TSVM, orthogonal, Procrustes, SVD, low rank.
    Fails: Each expert keeps 1/T of the directions, so the weaker ones are lost as experts are
        added; from more experts than directions on each offers one at most. Everything but
        matrices is averaged under the same α.
    Cost: One SVD per expert and matrix, and two more.
    Reference: Gargiulo et al., Task Singular Vectors: Reducing Task Interference in Model Merging,
        2025, arXiv:2412.00081. Differs: directions that are only rounding are left out, so that an
        unchanged or repeated expert adds nothing made up (the authors' code errs by 173 % for four
        equal experts); with more experts than directions each offers its strongest one, where the
        authors' code gives no update at all.
    """
    return update * scale

"""Core Space: merge inside the small space that all changes together reach."""

from collections.abc import Sequence
from typing import Annotated, Literal

from merger.algebra import combine_agreeing, elect_sign, total
from merger.lazy import Tensor, torch
from merger.spec import Costly, Delta, Deltas, Key, Knob, Share, merge_method, of
from merger.spectral import by_matrix, eigen, gram, is_matrix, isotropic, summed, untangle

Inner = Literal["tsv_m", "iso_c", "ties", "linear"]


def within(tau: Deltas, key: Key, *, inner: Inner = "tsv_m", density: Share = 0.2) -> Delta:
    """Return the update, merged inside the core."""
    if inner == "linear" and not is_matrix(key, tau):
        return total(tau)
    return by_matrix(tau, key, lambda taus: _within(taus, inner, density))


@merge_method(
    "Core Space",
    family="adapters",
    paper="arXiv:2509.17786",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"inner": "linear", "scale": 1.0 / n},
    scope="tensor",
    memory=(5.2, 9.5),
)
def core_space(
    update: Annotated[Costly, of(on=within)],
    *,
    inner: Inner = "tsv_m",
    density: Share = 0.2,
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Merge adapters inside the small space that their changes span together.

    U, V: orthonormal bases of all changes' columns and rows; Mₜ = Uᵀ τₜ V; θ* = θ₀ + λ · U M Vᵀ

    Args:
        update: The update, merged inside the core.
        inner: The method that merges the cores: TSV-Merge, Iso-C, TIES within each tensor, or sum.
        density: Share of each core's entries that TIES keeps, the largest ones.
        scale: Multiplies the whole update.
    Words: LoRA, SVD, low rank.
    Fails: Added up it is task arithmetic, exactly. Of whole models the core is as large as the
        matrix, so nothing is saved.
    Cost: Two eigendecompositions per matrix, and the inner method's on small cores.
    Reference: Panariello et al., Accurate and Efficient Low-Rank Model Merging in Core Space,
        2025, arXiv:2509.17786. Differs: the bases come from the changes themselves instead of the
        adapters' factors, which span the same space; so it also takes whole models. What is no
        matrix is averaged, or added up under "linear".
    """
    return update * scale


def _within(taus: Sequence[Tensor], inner: Inner, density: float) -> Tensor:
    left, right = _frames(taus)
    cores = [left.T @ tau @ right for tau in taus]
    return left @ _merge(cores, inner, density) @ right.T


def _frames(taus: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return orthonormal bases of all columns and of all rows."""
    rows, columns = taus[0].shape
    if rows > columns:
        right, left = _frames([tau.T for tau in taus])
        return left, right
    products = gram(taus[0].T)
    for tau in taus[1:]:
        products += gram(tau.T)
    left = eigen(products)[1].to(taus[0])
    inside = torch.cat([left.T @ tau for tau in taus])
    if len(inside) >= columns:
        return left, eigen(gram(inside))[1].to(taus[0])
    # Adapters reach few directions: their own inner products are much the smaller matrix.
    along = inside.T.double() @ eigen(gram(inside.T))[1]
    return left, torch.linalg.qr(along)[0].to(taus[0])


def _merge(cores: Sequence[Tensor], inner: Inner, density: float) -> Tensor:
    if inner == "tsv_m":
        return untangle(cores)
    if inner == "linear":
        return summed(cores)
    if inner == "iso_c":
        return isotropic(summed(cores))
    kept = torch.stack([_largest(core, density) for core in cores])
    return combine_agreeing(kept, elect_sign(kept, tie="drop"), reuse=True)


def _largest(core: Tensor, density: float) -> Tensor:
    """Return a core with its largest entries only, the first ones of equals."""
    size = core.numel()
    count = 0 if density <= 0.0 else min(size, max(1, int(density * size)))
    flat = core.reshape(-1)
    chosen = torch.argsort(flat.abs(), descending=True, stable=True)[:count]
    return torch.zeros_like(flat).scatter_(0, chosen, flat[chosen]).reshape(core.shape)

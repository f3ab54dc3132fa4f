"""Core Space: merge inside the small space that all changes together reach."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from merger.algebra import combine_agreeing, elect_sign, total
from merger.lazy import Tensor, torch
from merger.spec import Costly, Delta, Deltas, Key, Knob, Share, Uniform, merge_method, of
from merger.spectral import by_matrix, eigen, gram, is_matrix, isotropic, summed, svd, untangle

Inner = Literal["tsv_m", "iso_c", "cart", "ties", "dare_linear", "linear"]
TURNING = ("tsv_m", "iso_c", "cart")
Gain = Annotated[float, Knob(slider=(0.0, 1.0), step=0.05)]


def _draws(knobs: Mapping[str, Any]) -> bool:
    return knobs["inner"] == "dare_linear"


def within(
    tau: Deltas,
    draws: Annotated[Uniform, of(when=_draws)],
    key: Key,
    *,
    inner: Inner = "tsv_m",
    density: Share = 0.2,
    rank: Share = 0.04,
    gain: Gain = 0.1,
) -> Delta:
    """Return the update, merged inside the core."""
    if inner == "linear" and not is_matrix(key, tau):
        return total(tau)

    def merge(cores: Sequence[Tensor]) -> Tensor:
        if inner == "cart":
            return _cart(cores, rank, gain)
        if inner == "dare_linear":
            return _dare(cores, draws.flatten(1), density)
        return _merge(cores, inner, density)

    return by_matrix(tau, key, lambda taus: _within(taus, merge, inner in TURNING))


@merge_method(
    "Core Space",
    family="adapters",
    paper="arXiv:2509.17786",
    evidence="code read",
    laws=("zero", "single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    neutral=lambda n: {"inner": "linear", "scale": 1.0 / n},
    scope="tensor",
    memory=(2.0, 15.9),
)
def core_space(
    update: Annotated[Costly, of(on=within)],
    *,
    inner: Inner = "tsv_m",
    density: Share = 0.2,
    rank: Share = 0.04,
    gain: Gain = 0.1,
    scale: Annotated[float, Knob(slider=(0.0, 3.0), step=0.05, symbol="λ")] = 1.0,
) -> Delta:
    """Merge adapters inside the small space that their changes span together.

    U, V: orthonormal bases of all changes' columns and rows; Mₜ = Uᵀ τₜ V; θ* = θ₀ + λ · U M Vᵀ

    Args:
        update: The update, merged inside the core.
        inner: The method that merges the cores: TSV-Merge, Iso-C, CART (the mean, and what the
            strongest directions of each core add to it), TIES within each tensor, DARE, or sum.
        density: Share of each core's entries that TIES keeps, the largest ones, or DARE, drawn.
        rank: Share of its directions that each core adds under CART, rounded up.
        gain: What they are multiplied by.
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


def _within(
    taus: Sequence[Tensor], merge: Callable[[Sequence[Tensor]], Tensor], turns: bool
) -> Tensor:
    """Merge inside the core, but for methods that turn along where it is the whole matrix.

    Args:
        taus: One matrix per expert.
        merge: Takes one core per expert, and returns one.
        turns: Whether the merge of changes turned alike is the merge, turned.
    """
    if turns and _reaches_all(taus[0]):
        return merge(taus)
    left, right = _frames(taus)
    cores = [left.T @ tau @ right for tau in taus]
    return left @ merge(cores) @ right.T


def _reaches_all(tau: Tensor) -> bool:
    """Return whether one expert's own directions are already as many as there can be."""
    rows, columns = tau.shape
    values = eigen(gram(tau.T if rows <= columns else tau))[0]
    return len(values) == min(rows, columns)


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


def _cart(cores: Sequence[Tensor], rank: float, gain: float) -> Tensor:
    """Return the mean, and from each core the strongest directions of what sets it apart."""
    middle = summed(cores) / len(cores)
    count = math.ceil(rank * min(middle.shape))
    merged = middle.clone()
    for core in cores:
        merged += gain * svd(core - middle).first(count).matrix()
    return merged


def _dare(cores: Sequence[Tensor], draws: Tensor, density: float) -> Tensor:
    """Return the sum of cores of which a random part is dropped and the rest enlarged."""
    merged = torch.zeros_like(cores[0])
    if density > 0.0:
        for core, own in zip(cores, draws, strict=True):
            # A core is at most as large as its matrix, which there is a draw for each entry of.
            kept = own[: core.numel()].reshape(core.shape) < density
            merged += core * kept / density
    return merged


def _largest(core: Tensor, density: float) -> Tensor:
    """Return a core with its largest entries only, the first ones of equals."""
    size = core.numel()
    count = 0 if density <= 0.0 else min(size, max(1, int(density * size)))
    flat = core.reshape(-1)
    chosen = torch.argsort(flat.abs(), descending=True, stable=True)[:count]
    return torch.zeros_like(flat).scatter_(0, chosen, flat[chosen]).reshape(core.shape)

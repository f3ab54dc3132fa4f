"""Core Space: merge inside the small space that all changes together reach."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, overload

from merger.algebra import combine_agreeing, elect_sign, total
from merger.grams import eigen_, gram, pieces, untangle
from merger.lazy import Tensor, torch
from merger.masks import largest
from merger.spec import Costly, Delta, Deltas, Key, Knob, Share, Uniform, merge_method, of
from merger.spectral import ROWS, Widened, by_matrix, isotropic, summed, svd

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
    if inner == "linear":
        # The space holds all of every change, so there and back is the sum.
        return total(tau)

    def merge(cores: Cores) -> Tensor:
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
    memory=lambda n, rows, columns: max(8.8, pieces(n, rows, columns)),
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


class Cores(Sequence[Tensor]):
    """One core per expert, each computed only when it is asked for.

    Args:
        taus: One matrix per expert.
        left: The frame of their columns; None where the whole matrix is the core.
        right: The frame of their rows.
    """

    def __init__(
        self, taus: Widened, left: Tensor | None = None, right: Tensor | None = None
    ) -> None:
        self._taus = taus
        self._left = left
        self._right = right

    def __len__(self) -> int:
        return len(self._taus)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> "Cores": ...

    def __getitem__(self, index: int | slice) -> "Tensor | Cores":
        if isinstance(index, slice):
            return Cores(self._taus[index], self._left, self._right)
        return self._inside(self._taus[index])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def mean(self) -> Tensor:
        """Return the mean of all cores, which is the core of the mean."""
        return self._inside(summed(self._taus).div_(len(self)))

    def _inside(self, matrix: Tensor) -> Tensor:
        if self._left is None or self._right is None:
            return matrix
        half = self._left.T @ matrix
        del matrix
        return half @ self._right


def _within(taus: Widened, merge: Callable[[Cores], Tensor], turns: bool) -> Tensor:
    """Merge inside the core, but for methods that turn along where it is the whole matrix.

    Args:
        taus: One matrix per expert.
        merge: Takes one core per expert, and returns one.
        turns: Whether the merge of changes turned alike is the merge, turned.
    """
    if turns and _reaches_all(taus[0]):
        return merge(Cores(taus))
    left, right = _frames(taus)
    return left @ merge(Cores(taus, left, right)) @ right.T


def _reaches_all(tau: Tensor) -> bool:
    """Return whether one expert's own directions are already as many as there can be."""
    rows, columns = tau.shape
    values = eigen_(gram(tau.T if rows <= columns else tau))[0]
    return len(values) == min(rows, columns)


def _frames(taus: Widened) -> tuple[Tensor, Tensor]:
    """Return orthonormal bases of all columns and of all rows."""
    rows, columns = taus.shape
    if rows > columns:
        right, left = _frames(taus.turned)
        return left, right
    left = eigen_(_grams(lambda i: taus[i].T, len(taus)))[1].to(taus[0])
    if len(taus) * left.shape[1] >= columns:
        return left, eigen_(_grams(lambda i: left.T @ taus[i], len(taus)))[1].to(taus[0])

    def inside(some: slice = slice(None)) -> Tensor:
        return torch.cat([left.T @ taus[i][:, some] for i in range(len(taus))])

    # Adapters reach few directions: their own inner products are much the smaller matrix.
    values, vectors = eigen_(gram(inside().T))
    vectors.div_(values.sqrt())
    right = vectors.new_empty(columns, len(values))
    for first in range(0, columns, ROWS):
        some = slice(first, first + ROWS)
        right[some] = inside(some).T.double() @ vectors
    del vectors
    return left, _straighten_(right).to(taus[0])


def _straighten_(columns: Tensor) -> Tensor:
    """Make columns orthonormal that nearly are: faint ones err by a few 1e-4 at most.

    Newton's iteration for the nearest ones, (3 I − CᵀC) / 2, squares the error each time.
    """
    for _ in range(3):
        turn = gram(columns).mul_(-0.5)
        turn.diagonal().add_(1.5)
        for first in range(0, len(columns), ROWS):
            some = slice(first, first + ROWS)
            columns[some] = columns[some] @ turn
        del turn
    return columns


def _grams(columns: Callable[[int], Tensor], n: int) -> Tensor:
    """Return the inner products of each expert's columns, added up."""
    found = gram(columns(0))
    for i in range(1, n):
        gram(columns(i), found)
    return found


def _merge(cores: Cores, inner: Inner, density: float) -> Tensor:
    if inner == "tsv_m":
        return untangle(cores)
    if inner == "iso_c":
        return isotropic(summed(cores))
    first = cores[0]
    kept = first.new_empty((len(cores), *first.shape), dtype=torch.float32)
    dtype = first.dtype
    del first
    for i, out in enumerate(kept):
        # Entry by entry, single precision does, and n of them stay at hand.
        out.copy_(cores[i])
        count = 0 if density <= 0.0 else max(1, int(density * out.numel()))
        out.mul_(largest(out.abs(), count))
    return combine_agreeing(kept, elect_sign(kept, tie="drop"), reuse=True).to(dtype)


def _cart(cores: Cores, rank: float, gain: float) -> Tensor:
    """Return the mean, and from each core the strongest directions of what sets it apart."""
    merged = cores.mean()
    count = math.ceil(rank * min(merged.shape))
    for i in range(len(cores)):
        found = svd(cores.mean().neg_().add_(cores[i])).first(count)
        merged.addmm_(found.left.mul_(found.strength * gain), found.right)
    return merged


def _dare(cores: Cores, draws: Tensor, density: float) -> Tensor:
    """Return the sum of cores of which a random part is dropped and the rest enlarged."""
    merged = torch.zeros_like(cores[0])
    if density > 0.0:
        for i, own in enumerate(draws):
            # A core is at most as large as its matrix, which there is a draw for each entry of.
            core = cores[i]
            dropped = (own[: core.numel()].reshape(core.shape) >= density).to(core.device)
            merged += core.masked_fill_(dropped, 0.0).div_(density)
            del core, dropped
    return merged

"""Decompositions of task matrices that methods share.

Everything runs on one thread, because sums inside a decomposition change with the number of
threads; in double precision where the matrix is small enough; and without directions that are only
rounding, which would otherwise come out as large as real ones.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, overload

from merger.algebra import mean
from merger.errors import MergeError
from merger.lazy import Tensor, torch
from merger.places import module_of
from merger.threads import one_thread

# A direction weaker than this share of the strongest one is rounding, not change.
FAINT = 1e-6
# Matrices of up to so many entries are decomposed in double precision.
EXACT = 4_000_000
# Inner products are added over so many rows at a time, which bounds the double-precision copy.
ROWS = 1024


class Svd(NamedTuple):
    """Left vectors (m, k), strengths (k,) from strong to faint, right vectors (k, n)."""

    left: Tensor
    strength: Tensor
    right: Tensor

    def first(self, k: int) -> "Svd":
        """Return the k strongest directions."""
        return Svd(self.left[:, :k], self.strength[:k], self.right[:k])

    def matrix(self) -> Tensor:
        """Return the matrix that these directions make up."""
        return (self.left * self.strength) @ self.right


def is_matrix(key: str, tau: Tensor) -> bool:
    """Return whether a stacked tensor is decomposed; CLIP's `text_projection` never is."""
    return tau.dim() == 3 and "text_projection" not in key


def is_linear(key: str, tau: Tensor) -> bool:
    """Return whether a stacked tensor is the matrix of a linear layer: no embedding is."""
    return tau.dim() == 3 and module_of(key) != "embed"


def by_matrix(
    tau: Tensor,
    key: str,
    merge: Callable[[Sequence[Tensor]], Tensor],
    conv_as_matrix: bool = False,
) -> Tensor:
    """Merge the experts' matrices with `merge`, and average whatever is no matrix.

    Args:
        tau: Task vectors, (n, *shape).
        key: The tensor's name.
        merge: Takes one matrix per expert, and returns one.
        conv_as_matrix: Whether kernels count as matrices of a row per output channel.
    """
    stack = tau.flatten(2) if conv_as_matrix and tau.dim() == 5 else tau
    if not is_matrix(key, stack) or not stack.any():
        return mean(tau)
    with one_thread():
        return merge(widen(stack)).to(tau).reshape(tau.shape[1:])


class Widened(Sequence[Tensor]):
    """One matrix per expert, each put in double precision only when it is asked for.

    Args:
        stack: The matrices, (n, rows, columns).
        exact: Whether they are handed out in double precision.
    """

    def __init__(self, stack: Tensor, exact: bool) -> None:
        self._stack = stack
        self._exact = exact

    def __len__(self) -> int:
        return len(self._stack)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> "Widened": ...

    def __getitem__(self, index: int | slice) -> "Tensor | Widened":
        if isinstance(index, slice):
            return Widened(self._stack[index], self._exact)
        return self._stack[index].double() if self._exact else self._stack[index]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of each matrix."""
        rows, columns = self._stack.shape[1:]
        return rows, columns


def widen(stack: Tensor) -> Widened:
    """Return one matrix per expert, in double precision unless they are large."""
    if stack.device.type == "mps":
        # Apple's GPUs know no double precision.
        stack = stack.cpu()
    return Widened(stack, stack[0].numel() <= EXACT)


def mean_square(taus: Sequence[Tensor]) -> float:
    """Return the mean square of all entries."""
    return sum(float(tau.square().mean()) for tau in taus) / len(taus)


def summed(taus: Sequence[Tensor]) -> Tensor:
    """Add up matrices, one after the other."""
    result = taus[0].clone()
    for tau in taus[1:]:
        result += tau
    return result


def svd(matrix: Tensor) -> Svd:
    """Return the directions of a matrix that are more than rounding, from strong to faint.

    The largest entry of each left vector is positive: a sign belongs to a pair of vectors, and
    left open it would depend on the library.
    """
    try:
        left, strength, right = torch.linalg.svd(matrix, full_matrices=False)
    except RuntimeError as error:
        raise _failed(matrix) from error
    largest = left.abs().argmax(dim=0, keepdim=True)
    signs = torch.where(left.gather(0, largest) < 0, -1.0, 1.0).to(left.dtype)
    found = Svd(left * signs, strength, right * signs.T)
    return found.first(rank(strength))


def rank(strength: Tensor) -> int:
    """Return how many strengths, sorted from strong to faint, are more than rounding."""
    return int((strength > FAINT * strength[:1]).sum())


def join(parts: Sequence[Svd]) -> Svd:
    """Return the directions of several matrices side by side."""
    return Svd(
        torch.cat([part.left for part in parts], dim=1),
        torch.cat([part.strength for part in parts]),
        torch.cat([part.right for part in parts]),
    )


def polar(columns: Tensor) -> Tensor:
    """Return the orthonormal columns nearest to these.

    Columns that repeat share one direction between them, instead of one real and one made up.
    """
    values, vectors = eigen(gram(columns))
    inverse = (vectors / values.sqrt()) @ vectors.T
    found = torch.empty_like(columns)
    for start in range(0, len(columns), ROWS):
        rows = columns[start : start + ROWS].to(inverse.dtype)
        found[start : start + ROWS] = rows @ inverse
    return found


def gram(columns: Tensor) -> Tensor:
    """Return the inner products of columns in double precision."""
    found = torch.zeros(2 * columns.shape[1:], dtype=torch.float64, device=columns.device)
    for start in range(0, len(columns), ROWS):
        rows = columns[start : start + ROWS].double()
        found += rows.T @ rows
    return found


def eigen(products: Tensor, faint: float = FAINT) -> tuple[Tensor, Tensor]:
    """Return eigenvalues above rounding, from large to small, and their vectors as columns.

    Args:
        products: A symmetric matrix of inner products, in double precision.
        faint: Directions below this share of the strongest one are left out.
    """
    try:
        values, vectors = torch.linalg.eigh(products)
    except RuntimeError as error:
        raise _failed(products) from error
    values, vectors = values.flip(0), vectors.flip(1)
    # Inner products square the strengths, and rounding bounds what can be told apart.
    noise = 4 * torch.finfo(torch.float64).eps * len(products)
    kept = int((values > max(faint * faint, noise) * values[:1]).sum())
    return values[:kept], vectors[:, :kept]


def isotropic(matrix: Tensor, full: bool = False) -> Tensor:
    """Return the matrix with all its directions equally strong, as strong as their mean."""
    if full:
        left, strength, right = torch.linalg.svd(matrix, full_matrices=False)
        return (left @ right) * strength.mean()
    found = svd(matrix)
    return (found.left @ found.right) * found.strength.mean() if len(found.strength) else matrix


def untangle(taus: Sequence[Tensor]) -> Tensor:
    """Return the sum of the strongest directions of each matrix, turned so that none overlap."""
    parts = join(_strongest(taus))
    return (polar(parts.left) * parts.strength) @ polar(parts.right.T).T


def _strongest(taus: Sequence[Tensor]) -> list[Svd]:
    """Return an equal share of the directions of each matrix, at most as many as there is room."""
    room = min(taus[0].shape)
    found = [svd(tau) for tau in taus]
    if len(found) <= room:
        return [each.first(room // len(found)) for each in found]
    firsts = [each.first(1) for each in found]
    order = sorted(range(len(firsts)), key=lambda i: -float(firsts[i].strength.sum()))
    return [firsts[i] for i in sorted(order[:room])]


def _failed(matrix: Tensor) -> MergeError:
    shape = " × ".join(map(str, matrix.shape))
    return MergeError(
        f"A matrix of {shape} cannot be decomposed: its numbers differ too much in size.",
        "Look for a broken expert with `doctor`, or use a method without decompositions.",
    )

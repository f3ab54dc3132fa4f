"""Decompositions of task matrices that methods share.

Everything runs on one thread, because sums inside a decomposition change with the number of
threads; in double precision where the matrix is small enough; and without directions that are only
rounding, which would otherwise come out as large as real ones.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, overload

from merger.algebra import mean
from merger.devices.double import with_double
from merger.devices.shortage import is_shortage
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

    def matrix(self, out: Tensor | None = None) -> Tensor:
        """Return the matrix that these directions make up, in `out` where that is given."""
        if out is None:
            out = self.left.new_empty(len(self.left), self.right.shape[1])
        for start in range(0, len(out), ROWS):
            rows = slice(start, start + ROWS)
            out[rows] = (self.left[rows] * self.strength) @ self.right
        return out


def is_matrix(key: str, tau: Tensor) -> bool:
    """Return whether a stacked tensor is decomposed; CLIP's `text_projection` never is."""
    return tau.dim() == 3 and "text_projection" not in key


def is_linear(key: str, tau: Tensor) -> bool:
    """Return whether a stacked tensor is the matrix of a linear layer: no embedding is."""
    return tau.dim() == 3 and module_of(key) != "embed"


def by_matrix(
    tau: Tensor,
    key: str,
    merge: "Callable[[Widened], Tensor]",
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

    def __iter__(self) -> Iterator[Tensor]:
        # None is held on to here while the next one is made.
        return (self[i] for i in range(len(self)))

    @property
    def turned(self) -> "Widened":
        """The matrices with rows and columns exchanged."""
        return Widened(self._stack.transpose(1, 2), self._exact)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of each matrix."""
        rows, columns = self._stack.shape[1:]
        return rows, columns


def widen(stack: Tensor) -> Widened:
    """Return one matrix per expert, in double precision unless they are large."""
    stack = with_double(stack)
    return Widened(stack, stack[0].numel() <= EXACT)


def mean_square(taus: Sequence[Tensor]) -> float:
    """Return the mean square of all entries."""
    return sum(float(tau.square().mean()) for tau in taus) / len(taus)


def summed(taus: Sequence[Tensor]) -> Tensor:
    """Add up matrices, one after the other."""
    result = taus[0].clone()
    for i in range(1, len(taus)):
        result += taus[i]
    return result


def svd(matrix: Tensor) -> Svd:
    """Return the directions of a matrix that are more than rounding, from strong to faint.

    The largest entry of each left vector is positive: a sign belongs to a pair of vectors, and
    left open it would depend on the library.
    """
    found = decomposed(matrix)
    # What is in double precision for this call alone is freed here.
    del matrix
    largest = found.left.abs().argmax(dim=0, keepdim=True)
    signs = torch.where(found.left.gather(0, largest) < 0, -1.0, 1.0).to(found.left.dtype)
    found.left.mul_(signs)
    found.right.mul_(signs.T)
    return found.first(rank(found.strength))


def decomposed(matrix: Tensor) -> Svd:
    """Return all directions of a matrix, those that are only rounding too, with any signs."""
    try:
        try:
            return Svd(*torch.linalg.svd(matrix, full_matrices=False))
        except RuntimeError as error:
            if matrix.dtype != torch.float32 or is_shortage(error):
                raise
        # In single precision the library gives up on large matrices with many equal strengths,
        # as sides of unlike matrices have (seen at 4096 x 4096); in double precision it does not.
        parts = torch.linalg.svd(matrix.double(), full_matrices=False)
        return Svd(*(part.to(matrix) for part in parts))
    except RuntimeError as error:
        if is_shortage(error):
            raise
        raise undecomposable(matrix) from error


def strongest(matrix: Tensor, k: int) -> Svd:
    """Return the k strongest directions, and keep no other one in memory."""
    return Svd(*(part.clone() for part in svd(matrix).first(k)))


def rank(strength: Tensor) -> int:
    """Return how many strengths, sorted from strong to faint, are more than rounding."""
    return int((strength > FAINT * strength[:1]).sum())


def isotropic(matrix: Tensor, full: bool = False) -> Tensor:
    """Return the matrix with all its directions equally strong, as strong as their mean."""
    found = decomposed(matrix) if full else svd(matrix)
    del matrix
    mean_strength = float(found.strength.mean()) if len(found.strength) else 0.0
    return (found.left @ found.right).mul_(mean_strength)


def undecomposable(matrix: Tensor) -> MergeError:
    """Return the error of a matrix that the library cannot take apart."""
    shape = " × ".join(map(str, matrix.shape))
    return MergeError(
        f"A matrix of {shape} cannot be decomposed: its numbers differ too much in size.",
        "Look for a broken expert with `doctor`, or use a method without decompositions.",
    )

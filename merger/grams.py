"""Inner products of task matrices, and directions that are turned until none overlap.

Inner products square strengths, so they are always in double precision. A decomposition of them
takes three such squares: their own place, which its vectors get, and the library's work space.
"""

from collections.abc import Sequence

from merger.devices.shortage import is_shortage
from merger.lazy import Tensor, torch
from merger.spectral import FAINT, ROWS, Svd, Widened, strongest, svd, undecomposable


def pieces(n: int, rows: int, columns: int) -> float:
    """Return how many pieces of float32 inner products of a side of n matrices take at most.

    That side is the longer one, or all shorter ones together where these are fewer.
    """
    side = min(max(rows, columns), n * min(rows, columns))
    return 6.0 * side * side / (rows * columns) + 2.3


def gram(columns: Tensor, found: Tensor | None = None) -> Tensor:
    """Return the inner products of columns in double precision, added to those `found` so far."""
    if found is None:
        found = torch.zeros(2 * columns.shape[1:], dtype=torch.float64, device=columns.device)
    for start in range(0, len(columns), ROWS):
        rows = columns[start : start + ROWS].double()
        found.addmm_(rows.T, rows)
    return found


def crossed(taus: Widened) -> Tensor:
    """Return the inner products of all columns of all matrices side by side, in double."""
    width = taus.shape[1]
    found = torch.empty(2 * (len(taus) * width,), dtype=torch.float64, device=taus[0].device)
    for i in range(len(taus)):
        own = slice(i * width, (i + 1) * width)
        for j in range(i + 1):
            other = slice(j * width, (j + 1) * width)
            products = taus[i].double().T @ taus[j].double()
            found[own, other], found[other, own] = products, products.T
    return found


def eigen_(products: Tensor, faint: float = FAINT) -> tuple[Tensor, Tensor]:
    """Return eigenvalues above rounding, from large to small, and their vectors as columns.

    Args:
        products: A symmetric matrix of inner products, in double precision; it is overwritten,
            because the library's work space is twice as large already.
        faint: Directions below this share of the strongest one are left out.
    """
    values = products.new_empty(len(products))
    try:
        # Its columns are its rows, and the library writes the vectors into columns.
        torch.linalg.eigh(products.T, out=(values, products.T))
    except RuntimeError as error:
        if is_shortage(error):
            raise
        raise undecomposable(products) from error
    values, vectors = values.flip(0), products.T.flip(1)
    # Inner products square the strengths, and rounding bounds what can be told apart.
    noise = 4 * torch.finfo(torch.float64).eps * len(products)
    kept = int((values > max(faint * faint, noise) * values[:1]).sum())
    return values[:kept], vectors[:, :kept]


def polar_(columns: Tensor) -> Tensor:
    """Turn columns into the nearest orthonormal ones, in their place.

    Columns that repeat share one direction between them, instead of one real and one made up.
    """
    if columns.dtype == torch.float32:
        # Large ones: inner products in double precision would take more memory than this.
        found = svd(columns)
        return found._replace(strength=torch.ones_like(found.strength)).matrix(columns)
    values, vectors = eigen_(gram(columns))
    vectors.mul_(values.pow(-0.25))
    inverse = vectors @ vectors.T
    del vectors
    for start in range(0, len(columns), ROWS):
        rows = slice(start, start + ROWS)
        columns[rows] = columns[rows].to(inverse.dtype) @ inverse
    return columns


def join(parts: Sequence[Svd]) -> Svd:
    """Return the directions of several matrices side by side."""
    return Svd(
        torch.cat([part.left for part in parts], dim=1),
        torch.cat([part.strength for part in parts]),
        torch.cat([part.right for part in parts]),
    )


def untangle(taus: Sequence[Tensor]) -> Tensor:
    """Return the sum of the strongest directions of each matrix, turned so that none overlap."""
    parts = join(_strongest(taus))
    polar_(parts.left)
    polar_(parts.right.T)
    return parts.matrix()


def _strongest(taus: Sequence[Tensor]) -> list[Svd]:
    """Return an equal share of the directions of each matrix, at most as many as there is room."""
    room = min(taus[0].shape)
    if len(taus) <= room:
        return [strongest(tau, room // len(taus)) for tau in taus]
    firsts = [strongest(tau, 1) for tau in taus]
    order = sorted(range(len(firsts)), key=lambda i: -float(firsts[i].strength.sum()))
    return [firsts[i] for i in sorted(order[:room])]

"""Verbs that keep part of what a task matrix is made of: strong directions, high frequencies."""

from merger.algebra import l1
from merger.lazy import Tensor, torch
from merger.spectral import is_linear, one_thread, svd, widen


def low_rank(stack: Tensor, share: float) -> Tensor:
    """Return each expert's tensor made of its strongest directions; vectors stay as they are.

    Args:
        stack: One tensor per expert, (n, *shape); kernels count as a row per output channel.
        share: Share of the directions that is kept, at least one unless it is 0.
    """
    if share <= 0.0:
        return torch.zeros_like(stack)
    if share >= 1.0 or stack.dim() < 3 or not stack.any():
        return stack
    kept = torch.empty_like(stack)
    with one_thread():
        for out, matrix in zip(kept, widen(stack.flatten(2)), strict=True):
            count = max(1, int(share * min(matrix.shape)))
            out.copy_(svd(matrix).first(count).matrix().reshape(out.shape))
    return kept


def high_pass(stack: Tensor, key: str, filter_by: str, frequencies: float, rho: float) -> Tensor:
    """Return matrices without their lowest frequencies, and zeros for whatever is no matrix.

    Args:
        stack: One tensor per expert, (n, *shape).
        key: The tensor's name; embeddings do not count.
        filter_by: "share" removes the lowest frequencies, all of one height together; "distance"
            those further from the middle of the unshifted spectrum than `rho` times the shorter
            side, as the authors' code does.
        frequencies: Share of the frequencies that is kept.
        rho: Where "distance" cuts.
    """
    if not is_linear(key, stack):
        return torch.zeros_like(stack)
    if not stack.any() or (filter_by == "share" and frequencies >= 1.0):
        return stack
    rows, columns = stack.shape[1:]
    kept = torch.empty_like(stack)
    with one_thread():
        for out, matrix in zip(kept, widen(stack), strict=True):
            spectrum = torch.fft.fft2(matrix)
            if filter_by == "share":
                spectrum *= _above(rows, columns, frequencies).to(matrix)
            else:
                spectrum *= _near_the_middle(rows, columns, rho).to(matrix)
            out.copy_(torch.fft.ifft2(spectrum).real)
    return kept


def _above(rows: int, columns: int, frequencies: float) -> Tensor:
    """Return 1 for the highest frequencies; equal ones go together, as pairs belong together."""
    size = rows * columns
    height, width = torch.fft.fftfreq(rows).double(), torch.fft.fftfreq(columns).double()
    heights = height.square().unsqueeze(1) + width.square()
    removed = min(size, max(1, size - int(frequencies * size)))
    return heights > heights.flatten().kthvalue(removed).values


def _near_the_middle(rows: int, columns: int, rho: float) -> Tensor:
    down = torch.arange(rows, dtype=torch.float64) - rows // 2
    across = torch.arange(columns, dtype=torch.float64) - columns // 2
    far = (down.square().unsqueeze(1) + across.square()).sqrt()
    return far <= rho * min(rows, columns)


def equalise(stack: Tensor) -> Tensor:
    """Return experts scaled to the mean magnitude of the largest; unchanged ones stay zero."""
    sizes = [l1(row) for row in stack]
    factors = [max(sizes) / size if size > 0.0 else 0.0 for size in sizes]
    return stack * torch.tensor(factors).to(stack).reshape(-1, *[1] * (stack.dim() - 1))

"""Verbs that keep part of what a task matrix is made of: strong directions, high frequencies."""

from merger.algebra import l1
from merger.lazy import Tensor, torch
from merger.spectral import is_linear, svd, widen
from merger.threads import one_thread


def low_rank(stack: Tensor, share: float, shared: Tensor | None = None) -> Tensor:
    """Return each expert's tensor made of its strongest directions; vectors stay as they are.

    Args:
        stack: One tensor per expert, (n, *shape); kernels count as a row per output channel.
        share: Share of the directions that is kept, at least one unless it is 0.
        shared: What is taken off each of them before, (*shape).
    """
    if share <= 0.0:
        return torch.zeros_like(stack)
    kept = torch.empty_like(stack)
    with one_thread():
        # One expert at a time, so that only one of them is there in double precision.
        for row, out in zip(stack, kept, strict=True):
            out.copy_(row) if shared is None else torch.sub(row, shared, out=out)
            if share >= 1.0 or row.dim() < 2 or not out.any():
                continue
            (matrix,) = widen(out.flatten(1).unsqueeze(0))
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
    by_share = filter_by == "share"
    mask = _above(rows, columns, frequencies) if by_share else _near(rows, columns, rho)
    kept = torch.empty_like(stack)
    with one_thread():
        for row, out in zip(stack, kept, strict=True):
            (matrix,) = widen(row.unsqueeze(0))
            passes = mask.to(matrix.device)
            if by_share:
                # The filter treats a frequency and its mirror alike, so half of them will do.
                spectrum = torch.fft.rfft2(matrix).mul_(passes[:, : columns // 2 + 1])
                out.copy_(torch.fft.irfft2(spectrum, s=(rows, columns)))
            else:
                out.copy_(torch.fft.ifft2(torch.fft.fft2(matrix).mul_(passes)).real)
    return kept


def _above(rows: int, columns: int, frequencies: float) -> Tensor:
    """Return the highest frequencies; equal ones go together, as pairs belong together."""
    size = rows * columns
    height, width = torch.fft.fftfreq(rows).double(), torch.fft.fftfreq(columns).double()
    heights = height.square().unsqueeze(1) + width.square()
    removed = min(size, max(1, size - int(frequencies * size)))
    return heights > heights.flatten().kthvalue(removed).values


def _near(rows: int, columns: int, rho: float) -> Tensor:
    down = torch.arange(rows, dtype=torch.float64) - rows // 2
    across = torch.arange(columns, dtype=torch.float64) - columns // 2
    far = (down.square().unsqueeze(1) + across.square()).sqrt()
    return far <= rho * min(rows, columns)


def equalise(stack: Tensor) -> Tensor:
    """Return experts scaled to the mean magnitude of the largest; unchanged ones stay zero."""
    sizes = [l1(row) for row in stack]
    factors = [max(sizes) / size if size > 0.0 else 0.0 for size in sizes]
    return stack * torch.tensor(factors).to(stack).reshape(-1, *[1] * (stack.dim() - 1))

"""Verbs that keep part of what a task matrix is made of: strong directions, high frequencies."""

from collections.abc import Callable, Sequence

from merger.algebra import total
from merger.lazy import Tensor, torch
from merger.spectral import ROWS, is_linear, svd, widen
from merger.sums import l1
from merger.threads import one_thread

# So many columns of frequencies are transformed at a time, which bounds what is copied.
STRIP = 16


def low_rank(stack: Tensor, share: float, off: float = 0.0) -> Tensor:
    """Return each expert's tensor made of its strongest directions; vectors stay as they are.

    Args:
        stack: One tensor per expert, (n, *shape); kernels count as a row per output channel.
        share: Share of the directions that is kept, at least one unless it is 0.
        off: How often the experts' sum is taken off each of them before.
    """
    if share <= 0.0:
        return torch.zeros_like(stack)
    kept = torch.empty_like(stack)
    # What is taken off waits where the last expert's result will be.
    shared = torch.mul(total(stack), off, out=kept[-1])
    with one_thread():
        # One expert at a time, so that only one of them is there in double precision.
        for row, out in zip(stack, kept, strict=True):
            torch.sub(row, shared, out=out)
            if share >= 1.0 or row.dim() < 2 or not out.any():
                continue
            matrix = out.flatten(1)
            count = max(1, int(share * min(matrix.shape)))
            svd(widen(matrix.unsqueeze(0))[0]).first(count).matrix(matrix)
    return kept


def high_pass(
    stack: Tensor,
    key: str,
    filter_by: str,
    frequencies: float,
    rho: float,
    factors: Sequence[float] = (),
) -> Tensor:
    """Return matrices without their lowest frequencies, and zeros for whatever is no matrix.

    Args:
        stack: One tensor per expert, (n, *shape).
        key: The tensor's name; embeddings do not count.
        filter_by: "share" removes the lowest frequencies, all of one height together; "distance"
            those further from the middle of the unshifted spectrum than `rho` times the shorter
            side, as the authors' code does.
        frequencies: Share of the frequencies that is kept.
        rho: Where "distance" cuts.
        factors: What each expert is multiplied by; 1 each when empty.
    """
    if not is_linear(key, stack):
        return torch.zeros_like(stack)
    passes_all = not stack.any() or (filter_by == "share" and frequencies >= 1.0)
    if passes_all and not factors:
        return stack
    rows, columns = stack.shape[1:]
    if filter_by == "share":
        passes = _above(rows, columns, frequencies)
    else:
        passes = _near(rows, columns, rho)
    kept = torch.empty_like(stack)
    with one_thread():
        for i, (row, out) in enumerate(zip(stack, kept, strict=True)):
            source = torch.mul(row, factors[i], out=out) if factors else row
            if not passes_all:
                _filter(widen(source.unsqueeze(0))[0], passes, out)
    return kept


# Which share of each frequency passes: columns start to stop of half a spectrum, (rows, columns).
Passes = Callable[[int, int], Tensor]


def _filter(matrix: Tensor, passes: Passes, out: Tensor) -> None:
    """Write a matrix of the frequencies that pass; half of them do, as the rest mirrors these."""
    columns = matrix.shape[1]
    spectrum = torch.fft.rfft(matrix, dim=1)
    del matrix
    for start in range(0, spectrum.shape[1], STRIP):
        strip = spectrum[:, start : start + STRIP]
        high = torch.fft.fft(strip, dim=0)
        high *= passes(start, start + strip.shape[1]).to(strip.device, out.dtype)
        strip.copy_(torch.fft.ifft(high, dim=0))
    for start in range(0, len(out), ROWS):
        rows = slice(start, start + ROWS)
        out[rows] = torch.fft.irfft(spectrum[rows], n=columns, dim=1)


def _above(rows: int, columns: int, frequencies: float) -> Passes:
    """Return the highest frequencies; equal ones go together, as pairs belong together."""
    size = rows * columns
    height, width = _squares(rows), _squares(columns)
    # A quarter of them has every height; how often each one occurs stands beside it.
    often = _mirrored(rows).unsqueeze(1) * _mirrored(columns)
    heights, order = (height[: len(often)].unsqueeze(1) + width[: often.shape[1]]).flatten().sort()
    below = often.flatten()[order].cumsum(0)
    removed = min(size, max(1, size - int(frequencies * size)))
    highest = heights[torch.searchsorted(below, removed)].clone()
    return lambda start, stop: height.unsqueeze(1) + width[start:stop] > highest


def _squares(length: int) -> Tensor:
    return torch.fft.fftfreq(length).double().square()


def _mirrored(length: int) -> Tensor:
    """Return of each frequency that is not negative whether it has a mirror: 2 or 1 of them."""
    count = torch.full((length // 2 + 1,), 2)
    count[0] = 1
    if length % 2 == 0:
        count[-1] = 1
    return count


def _near(rows: int, columns: int, rho: float) -> Passes:
    """Return the middle of the unshifted spectrum, half of what passes without its mirror.

    The real part of the filtered matrix is what is kept, as the authors' code does; that is the
    mean of a filter and its mirror.
    """
    down, across = _distances(rows), _distances(columns)
    reach = rho * min(rows, columns)

    def passes(start: int, stop: int) -> Tensor:
        pairs = zip(down, across, strict=True)
        near = [(d.unsqueeze(1) + a[start:stop]).sqrt() <= reach for d, a in pairs]
        return (near[0].float() + near[1]) / 2

    return passes


def _distances(length: int) -> tuple[Tensor, Tensor]:
    """Return the squared distance from the middle of each index, and of its mirror."""
    squares = (torch.arange(length, dtype=torch.float64) - length // 2).square()
    return squares, squares.flip(0).roll(1)


def equal_sizes(stack: Tensor) -> list[float]:
    """Return what scales experts to the mean magnitude of the largest; 0 for unchanged ones."""
    sizes = [l1(row) for row in stack]
    return [max(sizes) / size if size > 0.0 else 0.0 for size in sizes]

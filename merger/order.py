"""Put entries in order: places by magnitude, and exact values at chosen places."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from merger.lazy import Tensor, torch

# Two passes of 16 bits each find a float32 among any number of others.
HALF = 1 << 16
Blocks = Callable[[], Iterable[np.ndarray]]


def ranks_of(stack: Tensor, columns: int) -> Tensor:
    """Return the place of each entry by magnitude within its row of `columns` entries.

    0 is the largest; of equal magnitudes the first comes first.

    Args:
        stack: One expert a line, (n, length), where length is a multiple of `columns`.
    """
    places = torch.empty(stack.shape, dtype=torch.int32, device=stack.device)
    counting = torch.arange(columns, dtype=torch.int32, device=stack.device)
    for row, out in zip(stack, places, strict=True):
        table = row.reshape(-1, columns).abs()
        order = torch.argsort(table, dim=-1, descending=True, stable=True)
        out.reshape(-1, columns).scatter_(-1, order, counting.expand_as(order))
    return places


def order_of(rows: np.ndarray, places: Sequence[int]) -> Mapping[int, np.ndarray]:
    """Return the values of each row at some places of its ascending order, by place.

    Example:
        >>> order_of(np.array([[3.0, -1.0, 2.0]]), [0, 2])[2].item()
        3.0
    """
    if not places:
        return {}
    ordered = np.partition(rows, list(places), axis=1)
    return {place: ordered[:, place].copy() for place in places}


def stream_order(blocks: Blocks, n: int, places: Sequence[int]) -> Mapping[int, np.ndarray]:
    """Return what `order_of` gives, without holding the values: two passes of histograms.

    Args:
        blocks: Called for each pass; gives values of shape (n, length), float32.
        n: How many rows there are.
        places: Places of the ascending order.
    """
    wanted = np.array(places, np.int64)
    counts = np.zeros((n, HALF), np.int64)
    for block in blocks():
        for row, count in zip(_keys(block), counts, strict=True):
            count += np.bincount(row >> 16, minlength=HALF)
    high = [np.searchsorted(np.cumsum(count), wanted, side="right") for count in counts]
    low = [{int(bin_): np.zeros(HALF, np.int64) for bin_ in found} for found in high]
    for block in blocks():
        for row, by_bin in zip(_keys(block), low, strict=True):
            for bin_, count in by_bin.items():
                count += np.bincount(row[row >> 16 == bin_] & 0xFFFF, minlength=HALF)
    values = np.empty((n, len(places)), np.float32)
    for i, count in enumerate(counts):
        below = np.cumsum(count) - count
        for j, (place, bin_) in enumerate(zip(wanted, high[i], strict=True)):
            inside = np.cumsum(low[i][int(bin_)])
            rest = int(np.searchsorted(inside, place - below[bin_], side="right"))
            values[i, j] = _value(int(bin_) << 16 | rest)
    return {place: values[:, j].copy() for j, place in enumerate(places)}


def _keys(values: np.ndarray) -> np.ndarray:
    """Return float32 bit patterns turned into integers of the same order."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    # Adding 0 makes -0 the same value as 0, as sorting has it.
    bits = np.where(bits == np.int32(-(2**31)), np.int32(0), bits)
    return np.where(bits < 0, ~bits.view(np.uint32), bits.view(np.uint32) | np.uint32(1 << 31))


def _value(key: int) -> np.float32:
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return np.array([bits], np.uint32).view(np.float32)[0]

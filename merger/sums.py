"""Long sums in double precision, in an order that no block, thread or loop changes."""

from collections.abc import Callable

import numpy as np

from merger.devices.double import adds_there
from merger.lazy import Tensor, torch

# Long sums are taken over pieces of this length, whatever the blocks and threads.
CHUNK = 32768
# A piece is added up in so many lanes, entry i in lane i mod LANES, and the lanes last: an order
# that compiled loops follow at full speed and numpy gives as well.
LANES = 128
# What a GPU widens at a time: enough to keep it busy, little beside what it holds anyway.
WIDENED = 64 * CHUNK


def l1(values: Tensor) -> float:
    """Return the sum of magnitudes in float64, added over pieces of fixed length."""
    if adds_there(values):
        return _sum_there(values, torch.abs)
    return sum_chunks(_flat(values), lambda chunk: add_lanes(np.abs(chunk).astype(np.float64)))


def sum_of_squares(values: Tensor) -> float:
    """Return the sum of squares in float64, added over pieces of fixed length."""
    if adds_there(values):
        return _sum_there(values, torch.square)
    return sum_chunks(_flat(values), lambda chunk: add_lanes(np.square(chunk.astype(np.float64))))


def moments(values: Tensor) -> tuple[float, float]:
    """Return mean and unbiased variance in float64; a single number varies by 0."""
    flat = _flat(values)
    entries = len(flat)
    if entries == 0:
        return 0.0, 0.0
    mean = sum_chunks(flat, lambda chunk: float(np.add.reduce(chunk, dtype=np.float64))) / entries
    spread = sum_chunks(
        flat, lambda chunk: float(np.add.reduce(np.square(chunk.astype(np.float64) - mean)))
    )
    return mean, spread / max(1, entries - 1)


def row_products(left: Tensor, right: Tensor) -> Tensor:
    """Return the inner product of each pair of rows in float64, (rows,), in main memory."""
    if adds_there(left):
        step = max(1, WIDENED // max(1, left.shape[1]))
        pairs = zip(left.split(step), right.split(step), strict=True)
        return torch.cat([(a.double() * b.double()).sum(dim=1).cpu() for a, b in pairs])
    a, b = left.detach().cpu().numpy(), right.detach().cpu().numpy()
    rows, columns = a.shape
    found = np.zeros(rows)
    step = max(1, CHUNK // max(1, columns))
    for first in range(0, rows, step):
        some = slice(first, first + step)
        for start in range(0, columns, CHUNK):
            part = slice(start, start + CHUNK)
            products = a[some, part].astype(np.float64) * b[some, part]
            found[some] += np.add.reduce(products, axis=1)
    return torch.from_numpy(found)


def sum_chunks(flat: np.ndarray, measure: Callable[[np.ndarray], float]) -> float:
    """Add up a measure over pieces of fixed length, in order."""
    result = 0.0
    for start in range(0, flat.shape[-1], CHUNK):
        result += measure(flat[..., start : start + CHUNK])
    return result


def add_lanes(chunk: np.ndarray) -> float:
    """Add up float64 in lanes, and then the lanes."""
    whole = len(chunk) // LANES * LANES
    lanes = np.zeros(LANES)
    if whole:
        np.add.reduce(chunk[:whole].reshape(-1, LANES), axis=0, out=lanes)
    lanes[: len(chunk) - whole] += chunk[whole:]
    return float(np.add.reduce(lanes))


def _sum_there(values: Tensor, measure: Callable[[Tensor], Tensor]) -> float:
    """Add up a measure of each entry where the entries are, in lanes; the lanes in main memory.

    Only the order within a lane is the device's own, so that sums differ in their last bits.
    """
    lanes = []
    for part in values.detach().reshape(-1).split(WIDENED):
        wide = torch.nn.functional.pad(measure(part.double()), (0, -len(part) % CHUNK))
        lanes.append(wide.view(-1, CHUNK // LANES, LANES).sum(dim=1))
    result = 0.0
    for chunk in torch.cat(lanes).cpu().numpy():
        result += float(np.add.reduce(chunk))
    return result


def _flat(values: Tensor) -> np.ndarray:
    return values.detach().reshape(-1).cpu().numpy()

"""Compiled sums of squared changes in lanes, four experts at once, as `sums.sum_of_squares` adds.

Each expert stands there by itself, as in `registers`, so that the base is widened once for all.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from merger.kernels.bits import widen
from merger.kernels.flags import AT_ONCE
from merger.kernels.loop import contracted, inside
from merger.kernels.rules import each_of, number_at, times
from merger.sums import CHUNK, LANES

# So many chunks in one call; fewer with flags, which stay in the cache of a processor.
CHUNKS, FLAGGED_CHUNKS = 64, 4
STEP = np.uint64(LANES)
Flags = Callable[[int, int], np.ndarray]


@inside
def _change(expert: Any, start: Any, weight: Any, flags: Any, i: Any) -> Any:
    change = times(np.float32(widen(expert[i]) - start), weight)
    if flags is not None:
        change = change if flags[i] else np.float32(0.0)
    return np.float64(change)


@inside
def _add(experts: Any, base: Any, weights: Any, flags: Any, i: Any, lane: Any, lanes: Any) -> None:
    start = widen(base[i])
    a = _change(experts[0], start, number_at(weights, 0), flags, i)
    b = _change(experts[1], start, number_at(weights, 1), flags, i)
    c = _change(experts[2], start, number_at(weights, 2), flags, i)
    d = _change(experts[3], start, number_at(weights, 3), flags, i)
    lanes[0, lane] += a * a
    lanes[1, lane] += b * b
    lanes[2, lane] += c * c
    lanes[3, lane] += d * d


@contracted
def _add_chunk(experts: Any, base: Any, weights: Any, flags: Any, lanes: Any) -> None:
    # What counts from 0 without a sign needs no look whether it counts from the end.
    rows = np.uint64(len(base) // LANES)
    for row in range(rows):
        for lane in range(STEP):
            _add(experts, base, weights, flags, row * STEP + lane, lane, lanes)
    for i in range(rows * STEP, np.uint64(len(base))):
        _add(experts, base, weights, flags, i, i % STEP, lanes)


@contracted
def _add_chunks(experts: Any, base: Any, weights: Any, flags: Any, lanes: Any) -> None:
    a, b, c, d = experts
    for chunk in range(len(lanes)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(base)))
        four = a[few], b[few], c[few], d[few]
        if flags is None:
            _add_chunk(four, base[few], weights, None, lanes[chunk])
        else:
            _add_chunk(four, base[few], weights, flags[few], lanes[chunk])


def sums_of_squares(
    experts: Sequence[np.ndarray],
    base: np.ndarray,
    weights: Sequence[float],
    flags: Flags | None = None,
) -> list[float]:
    """Return each expert's sum of squares of (expert − base) × weight, as `algebra` adds them up.

    Args:
        experts: Their entries as they are stored.
        base: The base's.
        weights: What changes are multiplied by.
        flags: Gives 1 for entries that count and 0 for others, from one place to another.
    """
    found = [0.0] * len(experts)
    length = CHUNK * (CHUNKS if flags is None else FLAGGED_CHUNKS)
    for start in range(0, len(base), length):
        part = slice(start, min(start + length, len(base)))
        kept = None if flags is None else flags(part.start, part.stop)
        for first in range(0, len(experts), AT_ONCE):
            few = slice(first, first + AT_ONCE)
            rows = [expert[part] for expert in experts[few]]
            found[few] = _add_up(found[few], rows, base[part], weights[few], kept)
    return found


def _add_up(
    found: Sequence[float], experts: Sequence[np.ndarray], base: np.ndarray,
    weights: Sequence[float], flags: np.ndarray | None,
) -> list[float]:  # fmt: skip
    """Return sums of a few experts with those of another part added, chunk by chunk."""
    # The base stands for experts that are not there: it does not change.
    absent = AT_ONCE - len(experts)
    times_each = each_of([*weights, *(1.0,) * absent])
    lanes = np.zeros((-(-len(base) // CHUNK), AT_ONCE, LANES))
    _add_chunks((*experts, *(base,) * absent), base, times_each, flags, lanes)
    sums = np.add.reduce(lanes, axis=2).tolist()
    totals = list(found)
    for chunk in sums:
        totals = [total + more for total, more in zip(totals, chunk, strict=False)]
    return totals

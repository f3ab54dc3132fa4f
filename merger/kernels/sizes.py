"""Compiled sums over changes in lanes, as `algebra.l1` and `algebra.sum_of_squares` add."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from merger.kernels.bits import widen
from merger.kernels.loop import inside, loop
from merger.sums import CHUNK, LANES

# So many chunks at once stay in the cache of a processor.
CHUNKS = 4
FEW = 4 * LANES
STEP = np.uint64(LANES)
Flags = Callable[[int, int], np.ndarray]


@inside
def _size(expert: Any, base: Any, weight: Any, i: Any) -> Any:
    return np.float64(abs(np.float32(widen(expert[i]) - widen(base[i])) * weight))


@loop
def _add_magnitudes(
    expert: Any, base: Any, weight: Any, flags: Any, whole: Any, left: Any
) -> None:  # fmt: skip
    # What counts from 0 without a sign needs no look whether it counts from the end.
    full, few = np.uint64(len(base) // FEW), np.uint64(len(base) // FEW * FEW)
    for row in range(full):
        for lane in range(STEP):
            # Four magnitudes are added up in a register.
            a = row * np.uint64(FEW) + lane
            b, c, d = a + STEP, a + STEP + STEP, a + STEP + STEP + STEP
            first, second = _size(expert, base, weight, a), _size(expert, base, weight, b)
            third, fourth = _size(expert, base, weight, c), _size(expert, base, weight, d)
            whole[lane] = whole[lane] + first + second + third + fourth
            total = left[lane] + (first if flags[a] else 0.0)
            total += second if flags[b] else 0.0
            total += third if flags[c] else 0.0
            left[lane] = total + (fourth if flags[d] else 0.0)
    for i in range(few, np.uint64(len(base))):
        lane, size = i % STEP, _size(expert, base, weight, i)
        whole[lane] += size
        left[lane] += size if flags[i] else 0.0


@loop
def _chunks_of_magnitudes(
    expert: Any, base: Any, weight: Any, flags: Any, whole: Any, left: Any
) -> None:  # fmt: skip
    for chunk in range(len(whole)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(base)))
        _add_magnitudes(expert[few], base[few], weight, flags[few], whole[chunk], left[chunk])


@loop
def _add_squares(expert: Any, base: Any, weight: Any, flags: Any, lanes: Any) -> None:
    full = len(base) // LANES * LANES
    for start in range(0, full, LANES):
        these, those = expert[start : start + LANES], base[start : start + LANES]
        for lane in range(LANES):
            value = np.float64(np.float32(widen(these[lane]) - widen(those[lane])) * weight)
            if flags is not None:
                value = value if flags[start + lane] else 0.0
            lanes[lane] += value * value
    for lane in range(len(base) - full):
        at = full + lane
        value = np.float64(np.float32(widen(expert[at]) - widen(base[at])) * weight)
        if flags is not None:
            value = value if flags[at] else 0.0
        lanes[lane] += value * value


@loop
def _chunks_of_squares(expert: Any, base: Any, weight: Any, flags: Any, lanes: Any) -> None:
    for chunk in range(len(lanes)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(base)))
        if flags is None:
            _add_squares(expert[few], base[few], weight, None, lanes[chunk])
        else:
            _add_squares(expert[few], base[few], weight, flags[few], lanes[chunk])


def magnitudes(
    expert: np.ndarray, base: np.ndarray, weight: float, flags: np.ndarray
) -> list[tuple[float, float]]:
    """Return sums of |(expert − base) × weight| by chunk: of all entries, and of flagged ones."""
    whole, left = np.zeros((2, -(-len(base) // CHUNK), LANES))
    _chunks_of_magnitudes(expert, base, np.float32(weight), flags, whole, left)
    sums = np.add.reduce(whole, axis=1).tolist(), np.add.reduce(left, axis=1).tolist()
    return list(zip(*sums, strict=True))


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
    for start in range(0, len(base), CHUNKS * CHUNK):
        part = slice(start, min(start + CHUNKS * CHUNK, len(base)))
        kept = None if flags is None else flags(part.start, part.stop)
        for i, (expert, weight) in enumerate(zip(experts, weights, strict=True)):
            lanes = np.zeros((-(-len(base[part]) // CHUNK), LANES))
            _chunks_of_squares(expert[part], base[part], np.float32(weight), kept, lanes)
            for total in np.add.reduce(lanes, axis=1).tolist():
                found[i] += total
    return found

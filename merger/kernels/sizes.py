"""Compiled sums of magnitudes of changes in lanes, as `sums.l1` adds."""

from typing import Any

import numpy as np

from merger.kernels.bits import widen
from merger.kernels.loop import inside, loop
from merger.sums import CHUNK, LANES

# So many chunks at once stay in the cache of a processor.
CHUNKS = 4
FEW = 4 * LANES
STEP = np.uint64(LANES)


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


def magnitudes(
    expert: np.ndarray, base: np.ndarray, weight: float, flags: np.ndarray
) -> list[tuple[float, float]]:
    """Return sums of |(expert − base) × weight| by chunk: of all entries, and of flagged ones."""
    whole, left = np.zeros((2, -(-len(base) // CHUNK), LANES))
    _chunks_of_magnitudes(expert, base, np.float32(weight), flags, whole, left)
    sums = np.add.reduce(whole, axis=1).tolist(), np.add.reduce(left, axis=1).tolist()
    return list(zip(*sums, strict=True))

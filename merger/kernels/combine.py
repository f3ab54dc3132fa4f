"""Sums of experts by compiled loops, a cacheful of entries at a time."""

from collections.abc import Sequence

import numpy as np

from merger.combination import Combination
from merger.kernels.bits import WORST
from merger.kernels.linear import (
    AT_ONCE,
    add_changes,
    add_weights,
    store,
    store_on,
    sum_changes,
    sum_weights,
)

# A running total of so many float32 stays in the cache of a processor.
PART = 1 << 16


def combine(
    experts: Sequence[np.ndarray],
    base: np.ndarray | None,
    combination: Combination,
    out: np.ndarray,
) -> bool:
    """Write a combination into `out`, and return whether every number met was finite.

    Args:
        experts: Their entries as they are stored, all in one dtype.
        base: The base's entries, where changes are added up.
        combination: What is computed.
        out: Overwritten, in the dtype that is written.
    """
    if len(experts) <= AT_ONCE:
        return bool(_sum_up(experts, base, combination, out) < WORST)
    total = np.empty(min(PART, len(out)), np.float32)
    divisor, scale = np.float32(combination.divisor), np.float32(combination.scale)
    for start in range(0, len(out), PART):
        part = slice(start, start + PART)
        rows = [row[part] for row in experts]
        origin, target = None if base is None else base[part], out[part]
        sums = total[: len(target)]
        worst = _add_up(sums, origin, rows, combination.shares)
        if origin is None:
            worst = max(worst, store(sums, divisor, scale, target))
        else:
            worst = max(worst, store_on(origin, sums, divisor, scale, target))
        if worst >= WORST:
            return False
    return True


def _sum_up(
    experts: Sequence[np.ndarray],
    base: np.ndarray | None,
    combination: Combination,
    out: np.ndarray,
) -> int:
    """Write a combination of a few experts in one go, and return the largest exponent met."""
    shares = tuple(map(np.float32, combination.shares))
    divisor, scale = np.float32(combination.divisor), np.float32(combination.scale)
    if base is None:
        return sum_weights(tuple(experts), shares, divisor, scale, out)
    return sum_changes(base, tuple(experts), shares, divisor, scale, out)


def _add_up(
    total: np.ndarray,
    base: np.ndarray | None,
    experts: Sequence[np.ndarray],
    shares: Sequence[float],
) -> int:
    worst = 0
    for first in range(0, len(experts), AT_ONCE):
        few = tuple(experts[first : first + AT_ONCE])
        times = tuple(np.float32(share) for share in shares[first : first + AT_ONCE])
        if base is None:
            worst = max(worst, add_weights(total, few, times, first == 0))
        else:
            worst = max(worst, add_changes(total, base, few, times, first == 0))
    return worst

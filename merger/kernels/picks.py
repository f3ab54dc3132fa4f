"""Compiled loops for what is kept of one expert's changes, and by what that is multiplied.

They follow `algebra.keep`, `algebra.drop`, `masks.band` and `masks.magprune` number by number;
only zeros may differ in sign, which adding to the base takes away.
"""

from typing import Any

import numpy as np

from merger import algebra
from merger.kernels.bits import exponent_of, widen
from merger.kernels.loop import loop

ZERO = np.float32(0.0)
TINY = np.float32(algebra.TINY)


@loop
def change(expert: Any, base: Any, weight: Any, kept: Any) -> Any:
    """Write (expert − base) × weight, and return the largest exponent met."""
    worst = np.uint32(0)
    for i in range(len(kept)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(start)))
        kept[i] = np.float32(value - start) * weight
    return worst


@loop
def trim(expert: Any, base: Any, weight: Any, least: Any, kept: Any) -> Any:
    """Keep changes of at least this size, and weigh them afterwards; none where it is NaN."""
    worst = np.uint32(0)
    for i in range(len(kept)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(start)))
        found = np.float32(value - start)
        kept[i] = found * weight if abs(found) >= least else ZERO
    return worst


@loop
def band(expert: Any, base: Any, weight: Any, high: Any, low: Any, kept: Any) -> Any:
    """Keep changes of at least the lower size that do not have the higher one."""
    worst = np.uint32(0)
    for i in range(len(kept)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(start)))
        found = np.float32(value - start)
        size = abs(found)
        stays = (size >= low) & ~(size >= high)
        kept[i] = found * weight if stays else ZERO
    return worst


@loop
def drop(
    expert: Any, base: Any, weight: Any, flags: Any, below: Any, factor: Any, kept: Any
) -> Any:
    """Keep flagged changes, divide them by a number and multiply them by another."""
    worst = np.uint32(0)
    for i in range(len(kept)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(exponent_of(value), exponent_of(start)))
        found = np.float32(value - start) * weight
        kept[i] = (found if flags[i] else ZERO) / below * factor
    return worst


@loop
def divide(kept: Any, below: Any) -> None:
    """Divide each entry by its own number, which is 0 where nothing is kept."""
    for i in range(len(kept)):
        kept[i] /= max(below[i], TINY)


@loop
def sieve(ranked: Any, least: Any, kept: Any) -> None:
    """Keep entries that have at least this size in another row; none where it is NaN."""
    for i in range(len(kept)):
        kept[i] = kept[i] if abs(ranked[i]) >= least else ZERO


@loop
def sieve_itself(least: Any, kept: Any) -> None:
    """Keep entries that have at least this size; none where it is NaN.

    With the same row twice `sieve` would go entry by entry, as one might change the other.
    """
    for i in range(len(kept)):
        value = kept[i]
        kept[i] = value if abs(value) >= least else ZERO

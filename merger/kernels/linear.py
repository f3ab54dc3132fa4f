"""Compiled loops for sums of experts, each multiplied by its coefficient."""

from typing import Any

import numpy as np

from merger.kernels.bits import exponent_of, narrow, widen
from merger.kernels.loop import loop

# Experts added up in registers by one loop; more of them take further loops.
AT_ONCE = 4


@loop
def add_weights(total: Any, experts: Any, shares: Any, is_first: bool) -> Any:
    """Add experts × shares to a running total, and return the largest exponent met.

    Args:
        total: float32, overwritten by the first call.
        experts: At most `AT_ONCE` arrays as they are stored.
        shares: float32, one per expert.
        is_first: Whether the total starts here.
    """
    worst = np.uint32(0)
    for i in range(len(total)):
        found = total[i]
        for k in range(len(experts)):
            value = widen(experts[k][i])
            worst = max(worst, exponent_of(value))
            part = value * shares[k]
            found = part if is_first and k == 0 else found + part
        total[i] = found
    return worst


@loop
def add_changes(total: Any, base: Any, experts: Any, shares: Any, is_first: bool) -> Any:
    """Add (experts − base) × shares to a running total, and return the largest exponent met."""
    worst = np.uint32(0)
    for i in range(len(total)):
        start = widen(base[i])
        worst = max(worst, exponent_of(start))
        found = total[i]
        for k in range(len(experts)):
            value = widen(experts[k][i])
            worst = max(worst, exponent_of(value))
            part = (value - start) * shares[k]
            found = part if is_first and k == 0 else found + part
        total[i] = found
    return worst


@loop
def store(total: Any, divisor: Any, scale: Any, out: Any) -> Any:
    """Divide, multiply and round a total, and return the largest exponent met."""
    worst = np.uint32(0)
    for i in range(len(total)):
        stored = narrow(total[i] / divisor * scale, out[i])
        worst = max(worst, exponent_of(widen(stored)))
        out[i] = stored
    return worst


@loop
def store_on(base: Any, total: Any, divisor: Any, scale: Any, out: Any) -> Any:
    """Divide and multiply a total, add it to the base, and round; see `algebra.add_update`."""
    worst = np.uint32(0)
    nothing = np.float32(0.0)
    for i in range(len(total)):
        update = total[i] / divisor * scale
        stored = narrow(widen(base[i]) - (nothing - update), out[i])
        worst = max(worst, exponent_of(widen(stored)))
        out[i] = stored
    return worst


@loop
def sum_weights(experts: Any, shares: Any, divisor: Any, scale: Any, out: Any) -> Any:
    """Do what `add_weights` and `store` do for a few experts, and return the largest exponent.

    What is not finite stays so in sums of products, so that only the result is looked at.
    """
    worst = np.uint32(0)
    for i in range(len(out)):
        found = widen(experts[0][i]) * shares[0]
        for k in range(1, len(experts)):
            found = found + widen(experts[k][i]) * shares[k]
        value = found / divisor * scale
        stored = narrow(value, out[i])
        worst = max(worst, max(exponent_of(value), exponent_of(widen(stored))))
        out[i] = stored
    return worst


@loop
def sum_changes(
    base: Any, experts: Any, shares: Any, divisor: Any, scale: Any, out: Any
) -> Any:  # fmt: skip
    """Do what `add_changes` and `store_on` do for a few experts; see `sum_weights`."""
    worst = np.uint32(0)
    nothing = np.float32(0.0)
    for i in range(len(out)):
        start = widen(base[i])
        found = (widen(experts[0][i]) - start) * shares[0]
        for k in range(1, len(experts)):
            found = found + (widen(experts[k][i]) - start) * shares[k]
        value = start - (nothing - found / divisor * scale)
        stored = narrow(value, out[i])
        worst = max(worst, exponent_of(value))
        worst = max(worst, exponent_of(widen(stored)))
        out[i] = stored
    return worst

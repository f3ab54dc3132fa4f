"""Compiled loops from stored experts to the stored merge, four experts at once in registers.

They do number by number what `picks` and `signs` do row by row for any number of experts. Loops
over the experts would have to be unrolled before a loop over entries could work on many of them,
which compilers do for short ones only: so each expert stands here by itself.
"""

from typing import Any

import numpy as np

from merger.kernels.bits import exponent_of, narrow, widen
from merger.kernels.loop import loop
from merger.kernels.rules import flag_at, kept, number_at, times

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@loop
def _keep(expert: Any, start: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
    value = widen(expert)
    return kept(value - start, weight, flag, first, second), exponent_of(value)


@loop
def _all(
    start: Any, experts: Any, weights: Any, flags: Any, first: Any, second: Any, i: int
) -> Any:
    """Return what is kept of each expert's change at entry i, and the largest exponent met."""
    a, met_a = _keep(
        experts[0][i], start, number_at(weights, 0), flag_at(flags, 0, i), number_at(first, 0),
        number_at(second, 0),
    )  # fmt: skip
    b, met_b = _keep(
        experts[1][i], start, number_at(weights, 1), flag_at(flags, 1, i), number_at(first, 1),
        number_at(second, 1),
    )  # fmt: skip
    c, met_c = _keep(
        experts[2][i], start, number_at(weights, 2), flag_at(flags, 2, i), number_at(first, 2),
        number_at(second, 2),
    )  # fmt: skip
    d, met_d = _keep(
        experts[3][i], start, number_at(weights, 3), flag_at(flags, 3, i), number_at(first, 3),
        number_at(second, 3),
    )  # fmt: skip
    met = max(max(met_a, met_b), max(met_c, met_d))
    return a, b, c, d, max(met, exponent_of(start))


@loop
def agree(
    base: Any, experts: Any, weights: Any, flags: Any, first: Any, second: Any, shares: Any,
    scales: Any, divides: bool, tie: Any, scale: Any, out: Any,
) -> tuple[Any, bool]:  # fmt: skip
    """Elect signs by sums, add up those that agree and store.

    Args:
        base: The base as it is stored.
        experts: A tuple of four arrays as they are stored.
        weights: What changes are multiplied by, None or a tuple of float32.
        flags: What is kept of them, with the next two; see `rules`.
        first: None or a tuple of float32.
        second: None or a tuple of float32.
        shares: What each expert that agrees adds to the divisor.
        scales: What its changes are multiplied by, None or a tuple of float32.
        divides: Whether sums are divided.
        tie: The sign where votes cancel.
        scale: What the whole update is multiplied by.
        out: Overwritten, in the dtype that is written.
    Returns: the largest exponent met, and whether votes cancelled.
    """
    worst, cancels = np.uint32(0), False
    for i in range(len(out)):
        start = widen(base[i])
        a, b, c, d, met = _all(start, experts, weights, flags, first, second, i)
        vote = a + b + c + d
        some = (a != ZERO) | (b != ZERO) | (c != ZERO) | (d != ZERO)
        cancels |= (vote == ZERO) & some
        sign = ONE if vote > ZERO else (-ONE if vote < ZERO else tie)
        a, b, c, d = a * sign, b * sign, c * sign, d * sign
        total = times(a, number_at(scales, 0)) if a > ZERO else ZERO
        total += times(b, number_at(scales, 1)) if b > ZERO else ZERO
        total += times(c, number_at(scales, 2)) if c > ZERO else ZERO
        total += times(d, number_at(scales, 3)) if d > ZERO else ZERO
        if divides:
            count = shares[0] if a > ZERO else ZERO
            count += shares[1] if b > ZERO else ZERO
            count += shares[2] if c > ZERO else ZERO
            count += shares[3] if d > ZERO else ZERO
            total /= count if count != ZERO else ONE
        stored = narrow(start - (ZERO - total * sign * scale), out[i])
        worst = max(worst, max(met, exponent_of(widen(stored))))
        out[i] = stored
    return worst, cancels


@loop
def share_out(
    base: Any, experts: Any, weights: Any, flags: Any, first: Any, second: Any, shares: Any,
    least: Any, scale: Any, out: Any,
) -> Any:  # fmt: skip
    """Elect signs by sums, add up those that agree by shares and store; see `agree`.

    Args:
        base: The base as it is stored.
        experts: A tuple of four arrays as they are stored.
        weights: What changes are multiplied by, None or a tuple of float32.
        flags: What is kept of them, with the next two; see `rules`.
        first: None or a tuple of float32.
        second: None or a tuple of float32.
        shares: How much each expert that agrees counts.
        least: The least divisor.
        scale: What the whole update is multiplied by.
        out: Overwritten, in the dtype that is written.
    Returns: the largest exponent met.
    """
    worst = np.uint32(0)
    for i in range(len(out)):
        start = widen(base[i])
        a, b, c, d, met = _all(start, experts, weights, flags, first, second, i)
        sign = -ONE if a + b + c + d < ZERO else ONE
        part = shares[0] if a * sign > ZERO else ZERO
        total, count = a * part, part
        part = shares[1] if b * sign > ZERO else ZERO
        total, count = total + b * part, count + part
        part = shares[2] if c * sign > ZERO else ZERO
        total, count = total + c * part, count + part
        part = shares[3] if d * sign > ZERO else ZERO
        total, count = total + d * part, count + part
        update = total / max(count, least) * scale
        stored = narrow(start - (ZERO - update), out[i])
        worst = max(worst, max(met, exponent_of(widen(stored))))
        out[i] = stored
    return worst


@loop
def add_up(
    base: Any, experts: Any, weights: Any, flags: Any, first: Any, second: Any, scale: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Add up what is kept and store; see `agree`. Return the largest exponent met."""
    worst = np.uint32(0)
    for i in range(len(out)):
        start = widen(base[i])
        a, b, c, d, met = _all(start, experts, weights, flags, first, second, i)
        stored = narrow(start - (ZERO - (a + b + c + d) * scale), out[i])
        worst = max(worst, max(met, exponent_of(widen(stored))))
        out[i] = stored
    return worst

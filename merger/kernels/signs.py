"""Compiled loops that combine what is kept: elect a sign, add up those that agree, or all.

They follow `algebra.elect_sign` and `combine_agreeing` number by number; only zeros may differ in
sign, which adding to the base takes away.
"""

from typing import Any

import numpy as np

from merger.kernels.bits import exponent_of, narrow, widen
from merger.kernels.loop import loop

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@loop
def poll(kept: Any, by_count: bool, is_first: bool, votes: Any, met: Any) -> None:
    """Add what one expert keeps to the votes, and to the largest magnitudes met.

    Args:
        by_count: Whether each change counts the same in the election.
        is_first: Whether the votes start here.
        votes: Added to.
        met: The largest magnitude kept so far.
    """
    for i in range(len(kept)):
        found = kept[i]
        sign = ONE if found > ZERO else (-ONE if found < ZERO else ZERO)
        vote = sign if by_count else found
        votes[i] = vote if is_first else votes[i] + vote
        met[i] = abs(found) if is_first else max(met[i], abs(found))


@loop
def elect(votes: Any, met: Any, tie: Any) -> bool:
    """Turn votes into signs, with `tie` where they cancel; return whether any did."""
    cancels = False
    for i in range(len(votes)):
        vote = votes[i]
        votes[i] = ONE if vote > ZERO else (-ONE if vote < ZERO else tie)
        cancels |= vote == ZERO and met[i] > ZERO
    return cancels


@loop
def balance(votes: Any) -> int:
    """Return how many votes are above 0, less how many are below."""
    found = 0
    for i in range(len(votes)):
        found += (votes[i] > ZERO) - (votes[i] < ZERO)
    return found


@loop
def agree(
    kept: Any, sign: Any, share: Any, scale: Any, by_size: bool, is_first: bool,
    total: Any, count: Any,
) -> None:  # fmt: skip
    """Add one expert's changes of the elected sign to the total, and its share to the count."""
    for i in range(len(kept)):
        value = kept[i] * sign[i]
        agrees = value > ZERO
        value = value * scale if agrees else ZERO
        part = share if agrees else ZERO
        if is_first:
            total[i], count[i] = value, part
        else:
            count[i] += part
            total[i] = max(total[i], value) if by_size else total[i] + value


@loop
def side(kept: Any, sign: Any, share: Any, is_first: bool, total: Any, count: Any) -> None:
    """Add one expert's changes of the elected sign, times its share, to the total."""
    for i in range(len(kept)):
        agrees = share if kept[i] * sign[i] > ZERO else ZERO
        value = kept[i] * agrees
        total[i] = value if is_first else total[i] + value
        count[i] = agrees if is_first else count[i] + agrees


@loop
def add(kept: Any, is_first: bool, total: Any) -> None:
    """Add what one expert keeps to the total."""
    for i in range(len(kept)):
        total[i] = kept[i] if is_first else total[i] + kept[i]


@loop
def share_out(total: Any, count: Any, least: Any) -> None:
    """Divide by the count, or by the least divisor where the count is smaller."""
    for i in range(len(total)):
        total[i] = total[i] / max(count[i], least)


@loop
def store(base: Any, total: Any, scale: Any, out: Any) -> Any:
    """Multiply an update, add it to the base and round; return the largest exponent met."""
    worst = np.uint32(0)
    for i in range(len(out)):
        update = total[i] * scale
        stored = narrow(widen(base[i]) - (ZERO - update), out[i])
        worst = max(worst, exponent_of(widen(stored)))
        out[i] = stored
    return worst


@loop
def settle(
    base: Any, total: Any, count: Any, sign: Any, scale: Any, divides: bool, out: Any
) -> Any:  # fmt: skip
    """Divide by the count where there is one, give the sign back, and do what `store` does."""
    worst = np.uint32(0)
    for i in range(len(out)):
        below = count[i] if divides and count[i] != ZERO else ONE
        update = total[i] / below * sign[i] * scale
        stored = narrow(widen(base[i]) - (ZERO - update), out[i])
        worst = max(worst, exponent_of(widen(stored)))
        out[i] = stored
    return worst

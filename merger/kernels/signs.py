"""Compiled loops for TIES: trim, elect a sign, combine those that agree.

They follow `algebra.keep`, `elect_sign` and `combine_agreeing` number by number; only zeros may
differ in sign, which adding to the base takes away.
"""

from typing import Any

import numpy as np
from numba import njit

from merger.kernels.bits import WORST, bits_of, narrow, widen

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@njit(nogil=True, cache=True, boundscheck=False)
def trim(
    expert: Any, base: Any, weight: Any, threshold: Any, last: int, by_count: bool,
    kept: Any, votes: Any, met: Any,
) -> Any:  # fmt: skip
    """Keep changes above a threshold, and those at it up to an index; add them to the votes.

    Args:
        weight: What changes are multiplied by, after they were ranked.
        by_count: Whether each change counts the same in the election.
        kept: Overwritten with the changes that are kept, and 0.
        votes: Added to.
        met: The largest magnitude kept so far.
    """
    worst = np.uint32(0)
    for i in range(len(kept)):
        start, value = widen(base[i]), widen(expert[i])
        worst = max(worst, max(bits_of(value), bits_of(start)) & WORST)
        change = np.float32(value - start)
        size = abs(change)
        stays = size > threshold or (size == threshold and i <= last)
        found = change * weight if stays else ZERO
        kept[i] = found
        sign = ONE if found > ZERO else (-ONE if found < ZERO else ZERO)
        votes[i] += sign if by_count else found
        met[i] = max(met[i], abs(found))
    return worst


@njit(nogil=True, cache=True, boundscheck=False)
def elect(votes: Any, met: Any, tie: Any) -> bool:
    """Turn votes into signs, with `tie` where they cancel; return whether any did."""
    cancels = False
    for i in range(len(votes)):
        vote = votes[i]
        votes[i] = ONE if vote > ZERO else (-ONE if vote < ZERO else tie)
        cancels |= vote == ZERO and met[i] > ZERO
    return cancels


@njit(nogil=True, cache=True, boundscheck=False)
def agree(
    kept: Any, sign: Any, share: Any, scale: Any, by_size: bool, total: Any, count: Any
) -> None:
    """Add one expert's changes of the elected sign to the total, and its share to the count."""
    for i in range(len(kept)):
        value = kept[i] * sign[i]
        agrees = value > ZERO
        value = value * scale if agrees else ZERO
        count[i] += share if agrees else ZERO
        total[i] = max(total[i], value) if by_size else total[i] + value


@njit(nogil=True, cache=True, boundscheck=False)
def store(
    base: Any, total: Any, count: Any, sign: Any, scale: Any, divides: bool, out: Any
) -> Any:  # fmt: skip
    """Divide by the count, give the sign back, add to the base and round."""
    worst = np.uint32(0)
    for i in range(len(out)):
        below = count[i] if divides and count[i] != ZERO else ONE
        update = total[i] / below * sign[i] * scale
        stored = narrow(widen(base[i]) - (ZERO - update), out[i])
        worst = max(worst, bits_of(widen(stored)) & WORST)
        out[i] = stored
    return worst

"""What is kept of the experts combined in one compiled call, a few entries at a time.

The loops of `signs` run one after the other over so few entries that what one leaves is still in
the nearest cache when the next one needs it.
"""

from typing import Any

import numpy as np

from merger.kernels.loop import loop
from merger.kernels.signs import (
    ONE,
    add,
    agree,
    balance,
    elect,
    poll,
    settle,
    share_out,
    side,
    store,
)

# Votes, sizes, sums and counts of so many entries, and a row of each expert in turn.
STEP = 1 << 10


@loop
def fuse_agreeing(
    kept: Any, base: Any, shares: Any, scales: Any, by_count: bool, by_size: bool, divides: bool,
    tie: Any, scale: Any, out: Any,
) -> tuple[Any, bool]:  # fmt: skip
    """Elect signs, combine those that agree and store; see `combining.Ballot`.

    Args:
        kept: What is kept of each expert, (n, length).
        base: The base as it is stored.
        shares: What each expert that agrees adds to the divisor.
        scales: What its changes are multiplied by.
        by_count: Whether each change counts the same in the election.
        by_size: Whether the largest change wins, instead of their sum.
        divides: Whether sums are divided.
        tie: The sign where votes cancel.
        scale: What the whole update is multiplied by.
        out: Overwritten, in the dtype that is written.
    Returns: the largest exponent met, and whether votes cancelled.
    """
    n, length = kept.shape
    worst, cancels = np.uint32(0), False
    room = np.empty((4, STEP), np.float32)
    for start in range(0, length, STEP):
        stop = min(start + STEP, length)
        size = stop - start
        votes, met, total, count = room[0, :size], room[1, :size], room[2, :size], room[3, :size]
        for i in range(n):
            poll(kept[i, start:stop], by_count, i == 0, votes, met)
        cancels |= elect(votes, met, tie)
        for i in range(n):
            row = kept[i, start:stop]
            agree(row, votes, shares[i], scales[i], by_size, i == 0, total, count)
        met_here = settle(base[start:stop], total, count, votes, scale, divides, out[start:stop])
        worst = max(worst, met_here)
    return worst, cancels


@loop
def fuse_by_share(
    kept: Any, base: Any, shares: Any, least: Any, scale: Any, out: Any
) -> Any:  # fmt: skip
    """Elect signs, combine those that agree by shares and store; return the largest exponent."""
    n, length = kept.shape
    worst = np.uint32(0)
    room = np.empty((4, STEP), np.float32)
    for start in range(0, length, STEP):
        stop = min(start + STEP, length)
        size = stop - start
        votes, met, total, count = room[0, :size], room[1, :size], room[2, :size], room[3, :size]
        for i in range(n):
            poll(kept[i, start:stop], False, i == 0, votes, met)
        elect(votes, met, ONE)
        for i in range(n):
            side(kept[i, start:stop], votes, shares[i], i == 0, total, count)
        share_out(total, count, least)
        worst = max(worst, store(base[start:stop], total, scale, out[start:stop]))
    return worst


@loop
def fuse_sum(kept: Any, base: Any, scale: Any, out: Any) -> Any:
    """Add up what is kept and store; return the largest exponent."""
    n, length = kept.shape
    worst = np.uint32(0)
    room = np.empty(STEP, np.float32)
    for start in range(0, length, STEP):
        stop = min(start + STEP, length)
        total = room[: stop - start]
        for i in range(n):
            add(kept[i, start:stop], i == 0, total)
        worst = max(worst, store(base[start:stop], total, scale, out[start:stop]))
    return worst


@loop
def fuse_balance(kept: Any, by_count: bool) -> int:
    """Return how many entries elect plus, less how many elect minus."""
    n, length = kept.shape
    found = 0
    room = np.empty((2, STEP), np.float32)
    for start in range(0, length, STEP):
        stop = min(start + STEP, length)
        votes, met = room[0, : stop - start], room[1, : stop - start]
        for i in range(n):
            poll(kept[i, start:stop], by_count, i == 0, votes, met)
        found += balance(votes)
    return found

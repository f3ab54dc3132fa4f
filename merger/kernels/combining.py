"""Combine what is kept of the experts by compiled loops, a cacheful of entries at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from merger.kernels import registers
from merger.kernels.bits import WORST
from merger.kernels.block import Block
from merger.kernels.flags import AT_ONCE
from merger.kernels.fused import fuse_agreeing, fuse_balance, fuse_by_share, fuse_sum
from merger.kernels.keeping import Keeper
from merger.kernels.rules import Rule, each_of, four

# One row of so many float32 for each expert stays in the cache of a processor.
PART = 1 << 15
TIES = {"plus": 1.0, "drop": 0.0}


class Ballot(NamedTuple):
    """How experts that agree in sign are combined.

    Args:
        shares: What an expert that agrees adds to the divisor.
        scales: What changes that agree are multiplied by.
        by_count: Whether each change counts the same in the election.
        by_size: Whether the largest change wins, instead of their sum.
        divides: Whether sums are divided.
    """

    shares: tuple[float, ...]
    scales: tuple[float, ...]
    by_count: bool
    by_size: bool
    divides: bool


def ballot_of(knobs: Mapping[str, Any], weights: tuple[float, ...]) -> Ballot:
    """Return how these settings combine experts with these coefficients."""
    ones = (1.0,) * len(weights)
    combine = knobs["combine"]
    return Ballot(
        shares=weights if combine == "weighted" else ones,
        scales=weights if is_weighed_later(knobs) else ones,
        by_count=knobs["elect"] == "count",
        by_size=combine == "max",
        divides=combine in ("mean", "weighted"),
    )


def is_weighed_later(knobs: Mapping[str, Any]) -> bool:
    """Return whether coefficients count after the election only."""
    return knobs.get("ballots") == "equal"


class _Part(NamedTuple):
    at: slice
    kept: np.ndarray
    worst: int


def _parts(block: Block, keeper: Keeper) -> Iterator[_Part]:
    """Yield parts with what is kept of each expert, (n, length), overwritten by the next one."""
    step = max(1, PART // keeper.step) * keeper.step
    room = np.empty((len(block.experts), min(step, len(block.base))), np.float32)
    for start in range(0, len(block.base), step):
        at = slice(start, min(start + step, len(block.base)))
        kept = room[:, : at.stop - at.start]
        worst = 0
        for i, (expert, row) in enumerate(zip(block.experts, kept, strict=True)):
            exponent = keeper.keep(i, expert[at], block.base[at], block.start + start, row)
            worst = max(worst, exponent)
        yield _Part(at, kept, worst)


def _rules(block: Block, keeper: Keeper) -> Iterator[Rule] | None:
    return keeper.rules(block) if len(block.experts) <= AT_ONCE else None


def merge_agreeing(
    block: Block, keeper: Keeper, ballot: Ballot, tie: float, scale: float, out: np.ndarray
) -> tuple[bool, bool]:
    """Write the merge into `out`; return whether all was finite, and whether votes cancelled.

    Args:
        block: What is merged.
        keeper: What is kept of it.
        ballot: How experts are combined.
        tie: The sign where votes cancel.
        scale: What the whole update is multiplied by.
        out: Overwritten, in the dtype that is written.
    """
    cancelled = False
    rules = None if ballot.by_count or ballot.by_size else _rules(block, keeper)
    scales = None if each_of(ballot.scales) is None else four(ballot.scales)
    for rule in rules or ():
        exponent, cancels = registers.agree(
            *rule.arguments(block), four(ballot.shares), scales, ballot.divides,
            np.float32(tie), np.float32(scale), out[rule.at],
        )  # fmt: skip
        cancelled |= cancels
        if exponent >= WORST:
            return False, cancelled
    if rules is not None:
        return True, cancelled
    shares, scales = (np.array(row, np.float32) for row in (ballot.shares, ballot.scales))
    for at, kept, worst in _parts(block, keeper):
        exponent, cancels = fuse_agreeing(
            kept, block.base[at], shares, scales, ballot.by_count, ballot.by_size,
            ballot.divides, np.float32(tie), np.float32(scale), out[at],
        )  # fmt: skip
        cancelled |= cancels
        if max(worst, exponent) >= WORST:
            return False, cancelled
    return True, cancelled


def merge_by_share(
    block: Block, keeper: Keeper, shares: Sequence[float], floor: float, scale: float,
    out: np.ndarray,
) -> bool:  # fmt: skip
    """Write the merge of those that agree, weighed by shares, into `out`; see `methods/sce.py`."""
    least, times = np.float32(floor or 1e-30), np.float32(scale)
    rules = _rules(block, keeper)
    if rules is not None:
        each = four(shares)
        return all(
            registers.share_out(*rule.arguments(block), each, least, times, out[rule.at]) < WORST
            for rule in rules
        )
    each = np.array(shares, np.float32)
    for at, kept, worst in _parts(block, keeper):
        exponent = fuse_by_share(kept, block.base[at], each, least, times, out[at])
        if max(worst, exponent) >= WORST:
            return False
    return True


def merge_sum(block: Block, keeper: Keeper, scale: float, out: np.ndarray) -> bool:
    """Write the base plus a multiple of all that is kept into `out`; return if all was finite."""
    rules, times = _rules(block, keeper), np.float32(scale)
    if rules is not None:
        return all(
            registers.add_up(*rule.arguments(block), times, out[rule.at]) < WORST for rule in rules
        )
    for at, kept, worst in _parts(block, keeper):
        if max(worst, fuse_sum(kept, block.base[at], times, out[at])) >= WORST:
            return False
    return True


def balance_of(block: Block, keeper: Keeper, by_count: bool) -> int:
    """Return how many entries elect plus, less how many elect minus."""
    return sum(fuse_balance(kept, by_count) for _, kept, _ in _parts(block, keeper))

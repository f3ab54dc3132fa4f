"""TIES by compiled loops, a cacheful of entries at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from merger.cuts import Cut
from merger.kernels.bits import WORST
from merger.kernels.signs import agree, elect, store, trim

# One row of so many float32 for each expert stays in the cache of a processor.
PART = 1 << 15
TIES = {"plus": 1.0, "drop": 0.0, "majority": 0.0}


class Ballot(NamedTuple):
    """How experts are combined: the settings of TIES, read once.

    Args:
        weights: What changes are multiplied by before the election.
        shares: What an expert that agrees adds to the divisor.
        scales: What changes that agree are multiplied by.
        by_count: Whether each change counts the same in the election.
        by_size: Whether the largest change wins, instead of their sum.
        divides: Whether sums are divided.
        scale: What the whole update is multiplied by.
    """

    weights: tuple[float, ...]
    shares: tuple[float, ...]
    scales: tuple[float, ...]
    by_count: bool
    by_size: bool
    divides: bool
    scale: float


def ballot_of(knobs: Mapping[str, Any], weights: tuple[float, ...]) -> Ballot:
    """Return how these settings of TIES combine experts with these coefficients."""
    ones = (1.0,) * len(weights)
    later = knobs["ballots"] == "equal"
    combine = knobs["combine"]
    return Ballot(
        weights=ones if later else weights,
        shares=weights if combine == "weighted" else ones,
        scales=weights if later else ones,
        by_count=knobs["elect"] == "count",
        by_size=combine == "max",
        divides=combine in ("mean", "weighted"),
        scale=knobs["scale"],
    )


def ties(
    experts: Sequence[np.ndarray],
    base: np.ndarray,
    cuts: Sequence[Cut],
    first: int,
    ballot: Ballot,
    tie: float,
    out: np.ndarray,
) -> tuple[bool, bool]:
    """Write a merge into `out`; return whether all was finite, and whether votes cancelled.

    Args:
        experts: Their entries as they are stored.
        base: The base's entries.
        cuts: Which changes of each expert survive.
        first: The index of the first entry in the order of the cuts.
        ballot: How experts are combined.
        tie: The sign where votes cancel.
        out: Overwritten, in the dtype that is written.
    """
    room = np.empty((len(experts) + 4, min(PART, len(out))), np.float32)
    cancelled = False
    for start in range(0, len(out), PART):
        part = slice(start, min(start + PART, len(out)))
        *kept, votes, met, total, count = room[:, : part.stop - start]
        for row in (votes, met, total, count):
            row[:] = 0.0
        worst = 0
        for expert, cut, weight, row in zip(experts, cuts, ballot.weights, kept, strict=True):
            last = min(max(cut.last - first - start, -1), len(row))
            worst = max(worst, trim(
                expert[part], base[part], np.float32(weight), np.float32(cut.threshold), last,
                ballot.by_count, row, votes, met,
            ))  # fmt: skip
        cancelled |= elect(votes, met, np.float32(tie))
        for row, share, scale in zip(kept, ballot.shares, ballot.scales, strict=True):
            agree(row, votes, np.float32(share), np.float32(scale), ballot.by_size, total, count)
        worst = max(worst, store(
            base[part], total, count, votes, np.float32(ballot.scale), ballot.divides, out[part]
        ))  # fmt: skip
        if worst >= WORST:
            return False, cancelled
    return True, cancelled

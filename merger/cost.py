"""What a merge will take: memory, disk and time, estimated from headers."""

import os
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from merger.align import AlignReport
from merger.checkpoint import Checkpoint
from merger.footprint import pieces_at_once
from merger.header import BITS
from merger.pieces import BLOCK
from merger.plan import Plan

# Rough, and said to be so: bytes a second of a disk, and entries a second and expert that one core
# merges with a method of the linear family (benchmarks/ holds what was measured).
READ_RATE = 1.2e9
WRITE_RATE = 1.2e9
ENTRY_RATE = 2.5e8
# The same for each feed that is more than reading: random draws, statistics from a first pass.
FEED_RATE = 5e7
# What torch and its libraries take before the first tensor.
PROGRAM_BYTES = 300_000_000


class Cost(NamedTuple):
    """Estimates, in the order of DoctorReport."""

    parameters: int
    peak_bytes: int
    disk_bytes: int
    seconds: float


def cost_of(
    planned: Plan, report: AlignReport, experts: Sequence[Checkpoint], base: Checkpoint | None
) -> Cost:
    """Estimate what a merge takes."""
    out_bytes = {t.key: t.numel * BITS[t.out_dtype] // 8 for t in planned.tensors}
    entries = sum(t.numel for t in planned.tensors)
    disk = sum(out_bytes.values())
    for origin in report.tied.values():
        disk += out_bytes.get(origin, 0)
        entries += planned.by_key[origin].numel if origin in planned.by_key else 0
    disk *= planned.n if planned.method.output == "per_task" else 1
    models = ([] if base is None else [base]) + list(experts[: planned.n])
    read = sum(info.nbytes for model in models for info in model.tensors.values())
    feeds = [use.feed for stage in planned.stages for use in stage.method.feeds]
    passes = 2 if any(feed.surveyed for feed in feeds) else 1
    slow = len({feed.name for feed in feeds if feed.surveyed or feed.name == "uniform"})
    compute = planned.numel * planned.n * (1 / ENTRY_RATE + slow / FEED_RATE)
    # Reading, computing and writing overlap; the slowest of them is what one waits for.
    seconds = max(passes * read / READ_RATE, disk / WRITE_RATE, compute)
    return Cost(entries, _peak(planned), disk, round(seconds, 1))


def _peak(planned: Plan) -> int:
    """Return the pieces that all workers hold at once, over what the program itself takes."""
    if not planned.merged:
        return PROGRAM_BYTES
    scope = planned.scope_at(planned.merged[0].settings)
    largest = max(t.numel for t in planned.merged)
    pieces = {"element": min(largest, BLOCK), "model": planned.numel}
    workers = min(os.cpu_count() or 1, 8) if scope == "element" else 1
    return PROGRAM_BYTES + ceil(workers * pieces_at_once(planned) * 4 * pieces.get(scope, largest))

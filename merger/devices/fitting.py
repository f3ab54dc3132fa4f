"""Fit the blocks and lanes of a merge into the memory of a device and of the machine."""

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from merger.compute import BESIDE
from merger.devices.device import Device, Host, Staged
from merger.devices.drivers import Opened
from merger.devices.lanes import SLOT_BYTES, SLOTS
from merger.footprint import pieces_at_once
from merger.pieces import BLOCK
from merger.plan import Plan, TensorPlan
from merger.stream import SMALLEST_BLOCK, fit_memory, total_memory

# More lanes than this only wait for the bus: one reads, one computes, one comes back.
LANES = 3
# Long enough that a GPU is not kept waiting by calls, short enough that lanes take turns.
LONGEST_BLOCK = 1 << 21
# Staging buffers take at most a quarter of main memory's budget, where that is no less than this.
SMALLEST_SLOT = 1 << 20
# Share of the free memory: libraries take some of their own, and pieces do not pack without gaps.
USABLE = 0.8
# Pieces that main memory holds for a lane beside those of all experts, some of which statistics
# put in order there: the result comes back there.
HELD = 2.0


class Fit(NamedTuple):
    """A device with the entries of a block, and how many blocks are worked on at once."""

    device: Device
    block: int
    workers: int


def fit(
    planned: Plan,
    opened: Opened,
    threads: int,
    memory: int | None,
    scope: Callable[[TensorPlan], str],
    beside: int = 0,
    longest: int = BLOCK,
) -> Fit:
    """Return a device that is ready to merge, with blocks that stay within all budgets.

    Args:
        planned: What is merged.
        opened: The device's driver.
        threads: How many blocks are wished for at once.
        memory: Bytes of main memory that blocks may take; a quarter of the machine's when None.
        scope: Returns the smallest piece that a tensor can be merged in.
        beside: Bytes of main memory that a thread takes beside its block.
        longest: Most entries of a block that may be cut, on the processor.
    """
    driver = opened.driver
    if driver is None:
        fitted = fit_memory(planned, threads, memory, scope, longest, beside)
        return Fit(Host(opened.said), *fitted)
    free = int(driver.free_bytes() * USABLE)
    # Without queues of their own, threads would only put their work into one queue together.
    lanes = min(LANES, threads) if driver.overlaps else 1
    entry = ceil(4 * (pieces_at_once(planned) + BESIDE))
    # A power of two, so that a little more or less that is free does not change the blocks, in
    # which alone a killed merge can go on.
    fitting = 1 << max(0, (free // (entry * lanes)).bit_length() - 1)
    longest = max(SMALLEST_BLOCK, min(LONGEST_BLOCK, fitting))
    budget = memory if memory is not None else total_memory() // 4
    slot = max(SMALLEST_SLOT, min(SLOT_BYTES, budget // (4 * lanes * SLOTS)))
    budget = max(1, budget - lanes * SLOTS * slot)
    # What the device has no memory for is computed in main memory, which must have it.
    block, helpers = fit_memory(planned, lanes, budget, scope, longest, beside)
    largest = max((t.numel for t in planned.merged), default=1)
    is_cut = all(scope(t) in ("element", "row") for t in planned.merged)
    piece = min(block, largest) if is_cut else largest
    held = ceil(4 * (planned.n + HELD)) * piece + beside
    lanes = max(1, min(lanes, budget // max(1, held)))
    device = Staged(driver, free, lanes, min(helpers, lanes), slot_bytes=slot)
    # What has been fetched is written while all lanes are at work.
    return Fit(device, block, min(threads, lanes + 1))

"""Merges on devices that every machine has: the processor behind staging buffers, and "far"."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from merger.checkpoint import Checkpoint
from merger.compute import prepare
from merger.devices.device import Device, Staged
from merger.devices.drivers import Driver, PlainDriver
from merger.plan import Plan, plan
from merger.recipe import Recipe, Step
from merger.spec import METHODS
from tests.contract.test_same_bytes import recipe
from tests.devices.far import FarDriver

PLENTY = 1 << 50
# So short that every tensor passes through them in several parts.
SLOT_BYTES = 64
Tensors = dict[str, torch.Tensor]


def driver_of(kind: str) -> Driver:
    """Return the driver of "cpu" or "far"."""
    return PlainDriver("cpu", PLENTY) if kind == "cpu" else FarDriver()


def staged(kind: str, memory: int = PLENTY, lanes: int = 2) -> Staged:
    """Return a device with a few short buffers."""
    return Staged(driver_of(kind), memory, lanes, slots=2, slot_bytes=SLOT_BYTES)


def merged(
    planned: Plan,
    base: Checkpoint | None,
    experts: Sequence[Checkpoint],
    device: Device | None = None,
    *,
    size: int = 11,
    threads: int = 1,
) -> Tensors:
    """Merge all blocks of a plan, over some threads, and return the tensors, flat."""
    prepared = prepare(planned, base, experts, device=device)
    blocks = list(prepared.blocks(size))
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(prepared.merge_block, blocks))
    parts: dict[str, list[torch.Tensor]] = {}
    for block, values in zip(blocks, found, strict=True):
        assert type(values) is torch.Tensor, block
        parts.setdefault(block.key, []).append(values)
    return {key: torch.cat(blocks, -1) for key, blocks in parts.items()}


def plan_of(name: str, base: Checkpoint, experts: Sequence[Checkpoint], settings=None) -> Plan:
    """Return the plan of a method, or of a verb around task arithmetic."""
    stage, n = METHODS[name].stage, len(experts)
    if stage == "merge":
        return plan(recipe(name, n, settings), base, experts)
    made: Recipe = recipe("task_arithmetic", n, **{stage: (Step(name, settings or {}),)})
    return plan(made, base, experts)


def experts_of(name: str) -> int:
    """Return how many experts to merge with a method: three, if it takes them."""
    low, high = METHODS[name].experts
    return max(low, min(3, high or 3))


def same_bits(a: Tensors, b: Tensors) -> bool:
    """Return whether tensors are equal bit by bit."""
    return list(a) == list(b) and all(
        a[key].dtype == b[key].dtype
        and torch.equal(a[key].contiguous().view(torch.uint8), b[key].view(torch.uint8))
        for key in a
    )

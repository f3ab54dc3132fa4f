"""How many bytes a call allocates at its peak, those of torch and of numpy together."""

import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

# The profiler's library announces each use of itself otherwise.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that were allocated at once during a call and not before it.

    Torch reports every allocation and release of its allocator to its profiler, temporary ones
    inside an operation and the work space of decompositions among them; numpy reports its own to
    tracemalloc. The two peaks are added up although they may not fall on the same moment, so the
    result is never too small by that. What a library takes by itself is not seen.
    """
    # The profiler imports some modules at its first use, which is none of the call's memory.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True):
        torch.zeros(1)
    tracemalloc.start()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
            call()
        by_numpy = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert watched.profiler is not None and watched.profiler.kineto_results is not None
    events: list[Any] = watched.profiler.kineto_results.events()
    changes = sorted(
        (e.start_ns(), i, e.nbytes()) for i, e in enumerate(events) if e.name() == "[memory]"
    )
    now = by_torch = 0
    for *_, change in changes:
        now += change
        by_torch = max(by_torch, now)
    return by_torch + by_numpy

"""Blocks over threads: bounded, cancellable, and the first error wins."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from threading import Event, Lock
from typing import Any, cast

import pytest
import torch

from merger.compute import Block, Prepared
from merger.errors import Cancelled, MergeError
from merger.footprint import pieces_at_once
from merger.models import open_models
from merger.pieces import BLOCK
from merger.plan import TensorPlan
from merger.progress import Progress
from merger.stream import SMALLEST_BLOCK, BlockParts, fit_memory, stream
from merger.threads import one_thread
from merger.turns import Task
from tests.engine.folders import family


class Source:
    """Stands for a prepared merge: counts blocks, and calls back at each."""

    by_tensor = True

    def __init__(self, at_block: Any = None) -> None:
        self.count = 0
        self._at_block = at_block or (lambda count: None)
        self._lock = Lock()

    def merge_parts(self, block: Block) -> BlockParts:
        with self._lock:
            self.count += 1
            self._at_block(self.count)
        for at in range(block.start, block.stop):
            yield at, torch.zeros(1)


BLOCKS = [(i, Block(f"w{i}", 0, 2)) for i in range(200)]


def run(
    source: Source, threads: int, blocks: Sequence[Task] = tuple(BLOCKS), **options: Any
) -> list[int]:
    written: list[int] = []

    def sink(number: int, block: Block, parts: BlockParts) -> int:
        written.append(number)
        return sum(values.numel() for _, values in parts)

    # A source has what is asked of a prepared merge here, and nothing else of it.
    prepared = cast("Prepared", source)
    stream(prepared, blocks, sink, threads=threads, done=0, total=2 * len(blocks), **options)
    return written


@pytest.mark.parametrize("threads", [1, 3])
def test_every_block_is_written_once_and_told(threads: int) -> None:
    told: list[Progress] = []
    assert sorted(run(Source(), threads, report=told.append)) == list(range(200))
    assert [p.done for p in told] == list(range(2, 402, 2))


def test_threads_begin_with_the_first_tensor_where_nothing_is_measured_before() -> None:
    source = Source()
    source.by_tensor = False
    long = [*BLOCKS[:3], *((3 + i, Block("long", 2 * i, 2 * i + 2)) for i in range(5))]
    begun = run(source, 2, long)
    # Else both would begin with the longest tensor. Either may be the first to write.
    assert sorted(begun) == list(range(8))
    assert begun[0] in (0, 1)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_after_a_cancel_each_thread_ends_at_most_the_block_it_is_in(threads: int) -> None:
    cancel = Event()
    source = Source(lambda count: cancel.set() if count == 10 else None)
    with pytest.raises(Cancelled):
        run(source, threads, cancel=cancel)
    assert source.count <= 10 + threads


def test_an_error_in_a_block_stops_the_others(threads: int = 2) -> None:
    def fail(count: int) -> None:
        if count == 5:
            raise MergeError("block 5 is bad")

    source = Source(fail)
    with pytest.raises(MergeError, match="block 5"):
        run(source, threads)
    assert source.count < 20


def test_memory_bounds_blocks_first_and_threads_then(tmp_path: Path) -> None:
    models = open_models(family(tmp_path, n=3))
    entry = ceil(4 * pieces_at_once(models.plan))

    def cut(tensor: TensorPlan) -> str:
        return models.plan.scope_at(tensor.settings)

    assert fit_memory(models.plan, 4, 10**12, cut) == (BLOCK, 4)
    assert fit_memory(models.plan, 4, 4 * entry * 100_000, cut) == (100_000, 4)
    assert fit_memory(models.plan, 4, 2 * entry * SMALLEST_BLOCK, cut) == (SMALLEST_BLOCK, 2)
    assert fit_memory(models.plan, 4, 1, cut) == (SMALLEST_BLOCK, 1)
    assert fit_memory(models.plan, 4, 4 * entry * 100_000, lambda _: "tensor")[1] < 4
    # What a thread takes beside its block comes off first.
    beside = 10**6
    budget = 4 * (entry * 100_000 + beside)
    assert fit_memory(models.plan, 4, budget, cut, beside=beside) == (100_000, 4)
    assert fit_memory(models.plan, 4, 2 * beside, cut, beside=beside)[1] == 1


def test_torch_has_its_threads_back_afterwards() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before

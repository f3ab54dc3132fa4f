"""Run the blocks of a merge over some threads, and pass each part on as soon as it is there."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from queue import SimpleQueue
from threading import Event

from merger.compute import Block, Prepared
from merger.footprint import pieces_at_once
from merger.lazy import Tensor
from merger.pieces import BLOCK
from merger.plan import Plan, TensorPlan
from merger.progress import Progress, Report, check_cancel
from merger.turns import Turns

# More threads than this only wait for the disk.
MAX_THREADS = 8
SMALLEST_BLOCK = 1 << 16

# Parts of a block, each with its first entry.
BlockParts = Iterator[tuple[int, Tensor]]
Sink = Callable[[int, Block, BlockParts], int]


def stream(
    prepared: Prepared,
    blocks: Sequence[tuple[int, Block]],
    sink: Sink,
    *,
    threads: int,
    done: int,
    total: int,
    report: Report | None = None,
    cancel: Event | None = None,
) -> None:
    """Merge blocks and hand each to a sink, as many at a time as there are threads.

    Args:
        prepared: The merge.
        blocks: Which blocks, with their numbers.
        sink: Takes a number, a block and its merged entries part by part, from any thread;
            returns the bytes that it wrote.
        threads: How many blocks are worked on at once.
        done: Bytes written before.
        total: Bytes in all.
        report: Told after each block, by this thread.
        cancel: After it is set, no thread begins another block.
    """

    turns = Turns(blocks, threads, by_tensor=prepared.by_tensor)
    notes = {key: f"tensor {i} of {len(turns.keys)}: {key}" for i, key in enumerate(turns.keys, 1)}
    finished: SimpleQueue[tuple[int, str] | None] = SimpleQueue()
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            while (task := turns.take(worker)) is not None:
                check_cancel(cancel)
                number, block = task
                finished.put((sink(number, block, prepared.merge_parts(block)), block.key))
        except BaseException as error:  # raised again by the thread that waits
            errors.append(error)
            turns.stop()
        finally:
            finished.put(None)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="merge")
    try:
        for worker in range(threads):
            pool.submit(work, worker)
        working = threads
        while working:
            one = finished.get()
            if one is None:
                working -= 1
                continue
            done += one[0]
            if report is not None:
                report(Progress(done, total, "bytes", notes[one[1]]))
        if errors:
            raise errors[0]
        check_cancel(cancel)
    finally:
        turns.stop()
        pool.shutdown(wait=True)


def thread_count(threads: int | None) -> int:
    """Return how many threads to use: what was asked for, or the processors there are."""
    if threads is not None:
        return max(1, threads)
    available = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    return min(available or 1, MAX_THREADS)


def fit_memory(
    planned: Plan,
    threads: int,
    memory: int | None,
    scope: Callable[[TensorPlan], str],
    longest: int = BLOCK,
    beside: int = 0,
) -> tuple[int, int]:
    """Return the block length and the number of threads that stay within a budget.

    Args:
        planned: What is merged.
        threads: How many threads are wished for.
        memory: Bytes that blocks may take; a quarter of the machine's when None.
        scope: Returns the smallest piece that a tensor can be merged in.
        longest: Most entries of a block that may be cut.
        beside: Bytes that a thread takes beside its block.
    """
    budget = memory if memory is not None else total_memory() // 4
    entry = ceil(4 * pieces_at_once(planned))
    block = max(SMALLEST_BLOCK, min(longest, (budget // threads - beside) // entry))
    largest = max((t.numel for t in planned.merged), default=1)
    is_cut = all(scope(t) in ("element", "row") for t in planned.merged)
    piece = min(block, largest) if is_cut else largest
    return block, max(1, min(threads, budget // max(1, entry * piece + beside)))


def blocks_bytes(
    planned: Plan, block: int, workers: int, scope: Callable[[TensorPlan], str], beside: int = 0
) -> int:
    """Return how many bytes the blocks of all threads take at most; see `fit_memory`."""
    scopes = {scope(tensor) for tensor in planned.merged}
    piece = max((tensor.numel for tensor in planned.merged), default=0)
    if "model" in scopes:
        piece = planned.numel
    elif scopes <= {"element", "row"}:
        piece = min(block, piece)
    return ceil(workers * (4 * pieces_at_once(planned) * piece + beside))


def total_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

"""Merges inside the models of a merge: how a memory budget is shared with them."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from merger.checkpoint import Checkpoint
from merger.matched import plain
from merger.merged import MergedCheckpoint
from merger.pieces import BLOCK
from merger.stream import blocks_bytes, fit_memory, total_memory


class Share(NamedTuple):
    """What one merge inside others may take.

    Args:
        merge: The merge.
        held: Bytes of tensors that it holds.
        at_once: How many tensors it merges at the same time.
        bytes: What all that takes at most.
    """

    merge: MergedCheckpoint
    held: int
    at_once: int
    bytes: int


def merges_inside(models: Iterable[Checkpoint]) -> list[MergedCheckpoint]:
    """Return the merges that models are or are put together from, each once."""
    found: dict[int, MergedCheckpoint] = {}
    for model in map(plain, models):
        if isinstance(model, MergedCheckpoint):
            found[id(model)] = model
        found |= {id(m): m for m in merges_inside(getattr(model, "made_of", ()))}
    return list(found.values())


def memory_for_blocks(models: Iterable[Checkpoint], memory: int | None) -> int | None:
    """Return what is left of a budget for the blocks of a merge: half where others are inside.

    Args:
        models: What is merged.
        memory: Bytes; a quarter of the machine's when None.
    """
    if not merges_inside(models):
        return memory
    return (memory if memory is not None else total_memory() // 4) // 2


def fitting_workers(models: Iterable[Checkpoint], memory: int | None, workers: int) -> int:
    """Return how many threads may read different tensors of the merges inside models.

    Args:
        models: What is merged.
        memory: Bytes for all merges inside; not asked for where there are none.
        workers: How many threads are wished for.
    """
    for merge, share in _shares(models, memory):
        workers = min(workers, max(1, share // 2 // max(1, _largest(merge))))
    return workers


def shares_of(models: Iterable[Checkpoint], memory: int | None, workers: int) -> list[Share]:
    """Return what each merge inside models may take, where so many threads read it."""
    found = []
    for merge, share in _shares(models, memory):
        fast, half = merge.fast, share // 2
        beside = fast.beside()
        _, at_once = fit_memory(merge.plan, workers, half, fast.piece, beside=beside)
        sizes = [info.nbytes for info in merge.tensors.values()]
        held = min(sum(sizes), max(half, workers * _largest(merge)))
        merging = blocks_bytes(merge.plan, BLOCK, at_once, fast.piece, beside)
        found.append(Share(merge, half, at_once, held + merging))
    return found


def serve_inside(models: Iterable[Checkpoint], memory: int | None, workers: int) -> int:
    """Tell the merges inside models what they may take, and return how many threads may read them.

    Args:
        models: What is merged.
        memory: Bytes for all merges inside.
        workers: How many threads are wished for.
    """
    workers = fitting_workers(models, memory, workers)
    for share in shares_of(models, memory, workers):
        share.merge.serve(workers, share.held, share.at_once)
    return workers


def _shares(
    models: Iterable[Checkpoint], memory: int | None
) -> Iterator[tuple[MergedCheckpoint, int]]:
    inside = merges_inside(models)
    for merge in inside:
        yield merge, (memory or 0) // len(inside)


def _largest(merge: MergedCheckpoint) -> int:
    return max((info.nbytes for info in merge.tensors.values()), default=0)

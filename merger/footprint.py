"""How much memory one block of a merge takes, in pieces of float32."""

from collections.abc import Sequence
from math import prod

from merger.algebra import row_length
from merger.method import Method
from merger.plan import Plan, TensorPlan
from merger.settings import Stage
from merger.signature import FeedUse
from merger.spectral import EXACT

# Feeds that are one stack of n pieces, or one of which the length is not known: at most a stack.
STACKS = ("cut", "costly", "uniform", "ranks", "fisher")
# What is put in order, one expert at a time: its magnitudes, their order in int64, a copy.
ORDERING = 5.0
# Up to so many magnitudes are held in memory at once, and a copy; above it, they are streamed.
IN_MEMORY = 1 << 24


def pieces_at_once(plan: Plan, only: Sequence[tuple[int, ...]] = ()) -> float:
    """Return how many pieces, as large as the largest, a worker holds at most as it merges one.

    What is read and fed stays until the piece is done; a method adds what it declares, and a
    statistic that is taken meanwhile has a piece of its own in hand.

    Args:
        plan: What is merged.
        only: Shapes of tensors that alone count; those of all when empty.
    """
    shapes = set(only) or {tensor.shape for tensor in plan.merged} or {(1,)}
    largest = max(map(prod, shapes)) or 1
    working = max(
        working_pieces(stage.method, plan.n, shape) * prod(shape) / largest
        for stage in plan.stages
        for shape in shapes
    )
    held = 2.0 + sum(_held(plan, stage) for stage in plan.stages)
    uses = [use for stage in plan.stages for use in stage.method.feeds]
    ordering = ORDERING + plan.n if any(_is_ordered(use) for use in uses) else 0.0
    total = held + max(working, ordering)
    return total + held + working if any(_is_surveyed_meanwhile(use) for use in uses) else total


def ranked_bytes(plan: Plan, tensors: Sequence[TensorPlan]) -> int:
    """Return how many bytes a worker holds at most while it ranks whole tensors of these."""
    uses = [use for stage in plan.stages for use in stage.method.feeds]
    if not tensors or not any(use.feed.name in ("cut", "ordered") for use in uses):
        return 0
    return 8 * min(IN_MEMORY, plan.n * max(tensor.numel for tensor in tensors))


def working_pieces(method: Method, n: int, shape: tuple[int, ...]) -> float:
    """Return how many pieces a method makes of one tensor, temporaries and its result."""
    if prod(shape) > EXACT and not callable(method.memory):
        # In single precision nobody takes more.
        return n + 3.0
    columns = max(1, row_length(shape))
    return method.pieces(n, max(1, prod(shape) // columns), columns)


def _held(plan: Plan, stage: Stage) -> float:
    """Return what is read for a stage and kept, and its result."""
    uses = stage.method.feeds
    fed = {use.feed.name for use in uses}
    stacks = sum(use.feed.name in STACKS for use in uses)
    # Weights and task vectors are both at hand where either is needed, and so are weighted ones.
    stacks += 1 + ("weights" in fed) + ("deltas" in fed or "costly" in fed)
    return stacks * plan.n + (plan.n if stage.method.output in ("deltas", "per_task") else 1.0)


def _is_ordered(use: FeedUse) -> bool:
    return use.feed.name in ("cut", "ranks", "ordered")


def _is_surveyed_meanwhile(use: FeedUse) -> bool:
    return use.feed.surveyed and use.of.scope != "global"

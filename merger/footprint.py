"""How much memory one block of a merge takes, in pieces of float32."""

from merger.plan import Plan
from merger.settings import Stage
from merger.signature import FeedUse

# Feeds that are one stack of n pieces, or one of which the length is not known: at most a stack.
STACKS = ("cut", "costly", "uniform", "ranks", "fisher")
# What is put in order, one expert at a time: its magnitudes, their order in int64, a copy.
ORDERING = 5.0


def pieces_at_once(plan: Plan) -> float:
    """Return how many pieces a worker holds at most while it merges one.

    What is read and fed stays until the piece is done; a method adds what it declares, and a
    statistic that is taken meanwhile has a piece of its own in hand.
    """
    working = max(stage.method.pieces(plan.n) for stage in plan.stages)
    held = 2.0 + sum(_held(plan, stage) for stage in plan.stages)
    uses = [use for stage in plan.stages for use in stage.method.feeds]
    ordering = ORDERING + plan.n if any(_is_ordered(use) for use in uses) else 0.0
    total = held + max(working, ordering)
    return total + held + working if any(_is_surveyed_meanwhile(use) for use in uses) else total


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

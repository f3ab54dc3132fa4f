"""Models too large for a live preview: a seeded sample of their coordinates stands for them.

Geometry is estimated from the sample, with intervals. Methods that work entry by entry run on it
as on a smaller model; the others wait for the real merge.
"""

from dataclasses import replace

from merger.plan import Plan
from merger.stack import Stack

# What a preview can go through while a slider moves, and what is drawn from models with more:
# a smaller number, as intervals and weighted ranks take longer than plain counts.
LIVE_ENTRIES = 1 << 25
SAMPLE_ENTRIES = 1 << 23
SMALLEST_SHARE = 1e-4


def live_share(parameters: int, experts: int) -> float | None:
    """Return the share of the coordinates that a preview looks at; None when it can take all.

    Args:
        parameters: How many a model has.
        experts: How many experts there are.
    """
    total = parameters * max(1, experts)
    return None if total <= LIVE_ENTRIES else max(SMALLEST_SHARE, SAMPLE_ENTRIES / total)


def works_on_sample(plan: Plan) -> bool:
    """Say whether a merge of sampled entries is a sample of the merge."""
    return plan.method.output != "per_task" and all(
        plan.scope_at(tensor.settings) == "element" for tensor in plan.merged
    )


def on_sample(plan: Plan, stack: Stack) -> Plan:
    """Return the plan for the drawn entries alone, each tensor as one row of them."""
    drawn = {slot.key: slot.stop - slot.start for slot in stack.slots}
    tensors, offset = [], 0
    for tensor in plan.tensors:
        count = drawn.get(tensor.key)
        shape = tensor.shape if count is None else (count,)
        small = replace(tensor, shape=shape, offset=offset)
        tensors.append(small)
        offset += small.numel if small.action == "merge" else 0
    return replace(plan, tensors=tuple(tensors))

"""How many bytes a merge takes on disk."""

from math import prod

from merger.header import BITS
from merger.plan import Plan
from merger.storage import separate_bits, stored_bits


def stored_bytes(planned: Plan) -> int:
    """Return the bytes of a merged model's numbers, or of all models of one per expert.

    Models of one per expert are counted as their method can store them, where that is less.
    """
    if planned.method.output != "per_task":
        return sum(t.numel * BITS[t.out_dtype] // 8 for t in planned.tensors)
    shapes = [tensor.shape for tensor in planned.merged]
    frozen = sum(tensor.numel for tensor in planned.tensors if tensor.action != "merge")
    params = planned.merged[0].params if planned.merged else {}
    small = stored_bits(planned.method.name, shapes, frozen, planned.n, params)
    return min(small, separate_bits(sum(map(prod, shapes)), frozen, planned.n)) // 8

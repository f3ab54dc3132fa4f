"""Find the few entries that matter without a branch for each of them.

A branch that goes either way costs a processor more than looking at many entries does. So a loop
that has none marks what matters by a byte, and then eight bytes at once are nothing or something.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from merger.kernels.loop import loop

# Marks of so many entries stay in the nearest cache.
AT_ONCE = 1 << 11
EIGHT, ONE, NOTHING = np.uint64(8), np.uint64(1), np.uint64(0)


def _zeros_below(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


# How many bits lie below the lowest one that is set.
zeros_below: Any = intrinsic(_zeros_below)


@loop
def find(marks: Any, some: Any, places: Any) -> int:
    """Write where bytes are 1 among zeros, and return how many are.

    Args:
        marks: Eight bytes in each uint64.
        some: int64, overwritten; one longer than `marks`.
        places: int64, overwritten as far as needed.
    """
    filled = 0
    for i in range(len(marks)):
        some[filled] = i
        filled += marks[i] != NOTHING
    count = 0
    for i in some[:filled]:
        left = marks[i]
        while left:
            places[count] = 8 * i + np.int64(zeros_below(left) // EIGHT)
            count += 1
            left &= left - ONE
    return count

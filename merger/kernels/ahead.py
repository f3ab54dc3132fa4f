"""Ask for memory that is needed soon, while the processor computes.

A processor does that by itself within a page of memory, but starts anew with each page, and a file
in memory consists of short pages: loops over several files at once wait for most of them.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from merger.kernels.loop import inside
from merger.sums import LANES

# What loops in lanes take at once: four rows of them, a row's part at a time. Requests for memory
# between these parts are few enough for the processor to go on meanwhile.
STEP = np.uint64(LANES)
FEW, SOME = np.uint64(4) * STEP, STEP // np.uint64(4)
LINE = np.uint64(64)
# So far ahead a row is asked for, in bytes: two pages.
DISTANCE = np.uint64(8192)


def _ask(typing_context: Any, array: Any, offset: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.bitcast(made.data, cgutils.voidptr_t)
        place = builder.gep(start, [arguments[1]])
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        name = "llvm.prefetch.p0"
        asked = cgutils.get_or_insert_function(builder.module, kind, name)
        # To be read, into all caches, as data.
        builder.call(asked, [place, *(ir.Constant(number, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.uint64), build


_ask_for: Any = intrinsic(_ask)


@inside
def ask_ahead(array: Any, start: Any, length: Any) -> None:
    """Ask for the memory some way behind a row; behind the end of all nothing comes of it.

    Args:
        array: What is read.
        start: The row's first entry, uint64.
        length: Its entries, uint64.
    """
    size = np.uint64(array.itemsize)
    first = start * size + DISTANCE
    for at in range(first, first + length * size, LINE):
        _ask_for(array, at)


@inside
def place_of(part: Any) -> tuple[Any, Any]:
    """Return the first lane of a part of four rows, and its place in the first of these rows."""
    lane = part % np.uint64(4) * SOME
    return lane, part // np.uint64(4) * FEW + lane

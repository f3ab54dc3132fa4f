"""Compiled draws: which entries a chance keeps, without the numbers they are drawn as.

A draw has 24 bits, of which `randomness.uniforms` takes the upper 8 and the lower 16 from two
streams. The upper ones alone settle all but one entry in 256; the lower ones are looked up for
these. Branches that go either way cost more than the draws, so entries are marked and counted
without any.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from merger.kernels.philox import fill, words
from merger.randomness import PER_COUNT

# Draws of so many counts stay in the nearest cache.
COUNTS = 64
AT_ONCE = COUNTS * PER_COUNT
# What a draw's upper part counts, and how many draws there are.
STEP, ALL = 1 << 16, 1 << 24
NOTHING, ONE = np.uint64(0), np.uint64(1)


def _zeros_below(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


# How many bits lie below the lowest one that is set.
zeros_below: Any = intrinsic(_zeros_below)


@njit(nogil=True, cache=True, boundscheck=False)
def find(marks: Any, some: Any, places: Any) -> int:
    """Write where bytes are 1 among zeros, and return how many are.

    Args:
        marks: Eight bytes in each uint64.
        some: Overwritten; one longer than `marks`.
        places: Overwritten as far as needed.
    """
    filled = 0
    for i in range(len(marks)):
        some[filled] = i
        filled += marks[i] != NOTHING
    count = 0
    for i in some[:filled]:
        left = marks[i]
        while left:
            places[count] = 8 * i + np.int64(zeros_below(left) // np.uint64(8))
            count += 1
            left &= left - ONE
    return count


@njit(nogil=True, cache=True, boundscheck=False)
def lower(key: Any, place: int) -> Any:
    """Return the lower 16 bits of the draw at some place."""
    at = np.uint64(place)
    a, b, c, d = words(key, ONE, at >> np.uint64(4))
    left, right = (b, d) if at & np.uint64(4) else (a, c)
    word = right if at & np.uint64(8) else left
    return np.int64((word >> (np.uint64(16) * (at & np.uint64(3)))) & np.uint64(0xFFFF))


@njit(nogil=True, cache=True, boundscheck=False)
def even_flags(key: Any, threshold: int, start: int, flags: Any) -> None:
    """Write 1 where a draw lies below a threshold, and 0 elsewhere.

    Args:
        key: The tensor's and expert's, uint64.
        threshold: In units of 2^-24, from 0 to 2^24.
        start: The place of the first draw.
        flags: uint8, overwritten.
    """
    if threshold >= ALL:
        flags[:] = 1
        return
    limit, rest = np.uint8(threshold // STEP), threshold % STEP
    drawn, marks = np.empty(AT_ONCE // 8, np.uint64), np.zeros(AT_ONCE // 8, np.uint64)
    some, places = np.empty(len(marks) + 1, np.int64), np.empty(AT_ONCE, np.int64)
    at = 0
    while at < len(flags):
        skip = (start + at) % PER_COUNT
        fill(key, NOTHING, np.uint64((start + at) // PER_COUNT), drawn)
        few = flags[at : at + AT_ONCE - skip]
        upper = drawn.view(np.uint8)[skip : skip + len(few)]
        is_open = marks.view(np.uint8)[: len(few)]
        for i in range(len(few)):
            few[i], is_open[i] = upper[i] < limit, upper[i] == limit
        for i in places[: find(marks[: -(-len(few) // 8)], some, places)]:
            if i < len(few):
                few[i] = lower(key, start + at + i) < rest
        at += len(few)


@njit(nogil=True, cache=True, boundscheck=False)
def chance_flags(key: Any, chances: Any, start: int, flags: Any) -> None:
    """Write 1 where a draw lies below the entry's own chance, float32, and 0 elsewhere."""
    unit, step, one = np.float32(ALL), np.float32(STEP), np.float32(1.0)
    drawn, marks = np.empty(AT_ONCE // 8, np.uint64), np.zeros(AT_ONCE // 8, np.uint64)
    some, places = np.empty(len(marks) + 1, np.int64), np.empty(AT_ONCE, np.int64)
    at = 0
    while at < len(flags):
        skip = (start + at) % PER_COUNT
        fill(key, NOTHING, np.uint64((start + at) // PER_COUNT), drawn)
        few = flags[at : at + AT_ONCE - skip]
        upper, limits = drawn.view(np.uint8)[skip : skip + len(few)], chances[at : at + len(few)]
        is_open = marks.view(np.uint8)[: len(few)]
        for i in range(len(few)):
            number, limit = np.float32(upper[i]), limits[i] * unit
            few[i] = (number + one) * step <= limit
            is_open[i] = ((number + one) * step > limit) & (number * step < limit)
        for i in places[: find(marks[: -(-len(few) // 8)], some, places)]:
            if i < len(few):
                number = np.float32(np.int64(upper[i]) * STEP + lower(key, start + at + i))
                few[i] = number < limits[i] * unit
        at += len(few)

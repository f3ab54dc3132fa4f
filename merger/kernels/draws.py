"""Compiled draws: which entries a chance keeps, without the numbers they are drawn as.

A draw has 24 bits, of which `randomness.uniforms` takes the upper 8 and the lower 16 from two
streams. The upper ones alone settle all but one entry in 256; the lower ones are looked up for
these.
"""

from typing import Any

import numpy as np

from merger.kernels.loop import loop
from merger.kernels.marks import AT_ONCE, find
from merger.kernels.philox import fill, words
from merger.randomness import PER_COUNT

# What a draw's upper part counts, and how many draws there are.
STEP, ALL = 1 << 16, 1 << 24
NOTHING, ONE = np.uint64(0), np.uint64(1)


@loop
def lower(key: Any, place: int) -> Any:
    """Return the lower 16 bits of the draw at some place."""
    at = np.uint64(place)
    a, b, c, d = words(key, ONE, at >> np.uint64(4))
    left, right = (b, d) if at & np.uint64(4) else (a, c)
    word = right if at & np.uint64(8) else left
    return np.int64((word >> (np.uint64(16) * (at & np.uint64(3)))) & np.uint64(0xFFFF))


@loop
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


@loop
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

"""Compiled Philox 4x64-10: the random words that `randomness.uniforms` is made of."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from merger.randomness import PER_COUNT

MULTIPLY_0, MULTIPLY_1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
ADD_0, ADD_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
ROUNDS = 10


def _multiply(typing_context: Any, left: Any, right: Any) -> Any:
    pair = types.UniTuple(types.uint64, 2)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, half = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(value, wide) for value in arguments))
        upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), half)
        return context.make_tuple(builder, pair, [upper, builder.trunc(product, half)])

    return pair(types.uint64, types.uint64), build


# Upper and lower half of the product of two uint64, which one instruction gives.
multiply: Any = intrinsic(_multiply)


@njit(nogil=True, cache=True, boundscheck=False)
def _fill(key: Any, count: Any, words: Any) -> None:
    for at in range(0, len(words), 4):
        count += np.uint64(1)
        a, b, c, d = count, np.uint64(0), np.uint64(0), np.uint64(0)
        key_0, key_1 = key, np.uint64(0)
        for _ in range(ROUNDS):
            high_0, low_0 = multiply(MULTIPLY_0, a)
            high_1, low_1 = multiply(MULTIPLY_1, c)
            a, b, c, d = high_1 ^ b ^ key_0, low_1, high_0 ^ d ^ key_1, low_0
            key_0 += ADD_0
            key_1 += ADD_1
        words[at], words[at + 1], words[at + 2], words[at + 3] = a, b, c, d


def words(key: int, start: int, stop: int) -> np.ndarray:
    """Return draws start to stop as integers of 24 bits in uint32; over 2^24 they are uniforms."""
    first = start // PER_COUNT
    counts = -(-stop // PER_COUNT) - first
    found = np.empty(counts * PER_COUNT // 2, np.uint64)
    _fill(np.uint64(key), np.uint64(first), found)
    skip = start - first * PER_COUNT
    # The lower half of each word comes first, on every machine.
    halves = found.astype("<u8", copy=False).view("<u4")[skip : skip + stop - start]
    return np.right_shift(halves, np.uint32(8), out=halves)

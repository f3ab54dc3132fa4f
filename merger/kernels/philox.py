"""Compiled Philox 4x64-10: the random words that `randomness.uniforms` is made of."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from merger.kernels.loop import loop
from merger.randomness import ADD, MULTIPLY, ROUNDS

MULTIPLY_0, MULTIPLY_1 = map(np.uint64, MULTIPLY)
ADD_0, ADD_1 = map(np.uint64, ADD)


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


@loop
def turn(a: Any, b: Any, c: Any, d: Any, key_0: Any, key_1: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words of one round; all are uint64."""
    high_0, low_0 = multiply(MULTIPLY_0, a)
    high_1, low_1 = multiply(MULTIPLY_1, c)
    return high_1 ^ b ^ key_0, low_1, high_0 ^ d ^ key_1, low_0


@loop
def words(key: Any, stream: Any, count: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words of one count; all are uint64."""
    key_0, key_1, zero = key, stream, np.uint64(0)
    # The counter goes up before it is used, as numpy's does. Of the first two rounds, one product
    # is 0 and another the same for all counts: seen alone, they are computed once.
    a, b, c, d = turn(count + np.uint64(1), zero, zero, zero, key_0, key_1)
    key_0, key_1 = key_0 + ADD_0, key_1 + ADD_1
    a, b, c, d = turn(a, b, c, d, key_0, key_1)
    for _ in range(ROUNDS - 2):
        key_0, key_1 = key_0 + ADD_0, key_1 + ADD_1
        a, b, c, d = turn(a, b, c, d, key_0, key_1)
    return a, b, c, d


@loop
def fill(key: Any, stream: Any, count: Any, found: Any) -> None:
    """Write the words of some counts, the first one given."""
    for at in range(0, len(found), 4):
        few = words(key, stream, count)
        found[at], found[at + 1], found[at + 2], found[at + 3] = few
        count += np.uint64(1)

"""Compiled Philox 4x64-10: the random words that `randomness.uniforms` is made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from merger.kernels.loop import inside, loop
from merger.randomness import ADD, MULTIPLY, ROUNDS

MULTIPLY_0, MULTIPLY_1 = map(np.uint64, MULTIPLY)
ADD_0, ADD_1 = map(np.uint64, ADD)
ZERO, ONE = np.uint64(0), np.uint64(1)


def _whole(builder: Any, left: Any, right: Any) -> tuple[Any, Any]:
    wide, half = ir.IntType(128), ir.IntType(64)
    product = builder.mul(builder.zext(left, wide), builder.zext(right, wide))
    upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), half)
    return upper, builder.trunc(product, half)


def _in_parts(builder: Any, left: Any, right: Any) -> tuple[Any, Any]:
    half = ir.IntType(64)
    low, thirty_two = ir.Constant(half, 0xFFFF_FFFF), ir.Constant(half, 32)
    (a, b), (c, d) = (
        (builder.and_(word, low), builder.lshr(word, thirty_two)) for word in (left, right)
    )
    first = builder.add(builder.mul(a, d), builder.lshr(builder.mul(a, c), thirty_two))
    second = builder.add(builder.mul(b, c), builder.and_(first, low))
    carried = builder.add(builder.lshr(first, thirty_two), builder.lshr(second, thirty_two))
    return builder.add(builder.mul(b, d), carried), builder.mul(left, right)


def _product(build: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Any:
    pair = types.UniTuple(types.uint64, 2)

    def typed(typing_context: Any, left: Any, right: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_tuple(builder, pair, list(build(builder, *arguments)))

        return pair(types.uint64, types.uint64), made

    return intrinsic(typed)


# Upper and lower half of the product of two uint64: by one instruction, or by several that work on
# eight products at once where there are 512 bits to a register.
multiply = _product(_whole)
IS_WIDE = bool(binding.get_host_cpu_features().get("avx512dq"))
multiply_many = _product(_in_parts) if IS_WIDE else multiply


@inside
def turn(a: Any, b: Any, c: Any, d: Any, key_0: Any, key_1: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words of one round; all are uint64."""
    high_0, low_0 = multiply(MULTIPLY_0, a)
    high_1, low_1 = multiply(MULTIPLY_1, c)
    return high_1 ^ b ^ key_0, low_1, high_0 ^ d ^ key_1, low_0


@inside
def turn_both(state: Any) -> Any:
    """Return two counts' words and the two halves of their key after one round more."""
    a, b, c, d, e, f, g, h, key_0, key_1 = state
    high_0, low_0 = multiply_many(MULTIPLY_0, a)
    high_1, low_1 = multiply_many(MULTIPLY_1, c)
    a, b, c, d = high_1 ^ b ^ key_0, low_1, high_0 ^ d ^ key_1, low_0
    high_0, low_0 = multiply_many(MULTIPLY_0, e)
    high_1, low_1 = multiply_many(MULTIPLY_1, g)
    e, f, g, h = high_1 ^ f ^ key_0, low_1, high_0 ^ h ^ key_1, low_0
    return a, b, c, d, e, f, g, h, key_0 + ADD_0, key_1 + ADD_1


@inside
def turn_thrice(state: Any) -> Any:
    """Return the same after three rounds."""
    return turn_both(turn_both(turn_both(state)))


@loop
def words(key: Any, stream: Any, count: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words of one count; all are uint64."""
    key_0, key_1 = key, stream
    # The counter goes up before it is used, as numpy's does.
    a, b, c, d = count + ONE, ZERO, ZERO, ZERO
    for _ in range(ROUNDS):
        a, b, c, d = turn(a, b, c, d, key_0, key_1)
        key_0, key_1 = key_0 + ADD_0, key_1 + ADD_1
    return a, b, c, d


@loop
def fill(key: Any, stream: Any, count: Any, found: Any) -> None:
    """Write the words of some counts, the first one given; their number is even."""
    half = len(found) // 8
    for at in range(half):
        # Two counts at once: a processor need not wait for one's products to go on with the other.
        one = count + ONE + np.uint64(at)
        other = one + np.uint64(half)
        state = (one, ZERO, ZERO, ZERO, other, ZERO, ZERO, ZERO, key, stream)
        # A loop over the rounds would be all that is done at once.
        state = turn_both(turn_thrice(turn_thrice(turn_thrice(state))))
        left, right = 4 * at, 4 * (at + half)
        found[left], found[left + 1], found[left + 2], found[left + 3] = state[:4]
        found[right], found[right + 1], found[right + 2], found[right + 3] = state[4:8]

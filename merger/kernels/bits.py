"""Floats as they lie in files, widened to float32 and rounded back inside compiled loops.

bfloat16 lies in arrays of uint16, float32 in arrays of its own kind. `widen` and `narrow` stand
here twice: for numpy, which tests compare with torch, and for loops, one form for each dtype.

In loops any operation on two short integers gives a long one, which takes twice the room in a
register: so what is short is cast back at each step.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from merger.kernels.loop import loop

# Exponents of infinity and NaN.
WORST = np.uint32(0x7F80_0000)


def _bits_of(typing_context: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.uint32))

    return types.uint32(types.float32), build


def _float_of(typing_context: Any, bits: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.uint32), build


# A float32 as its bits in uint32, and the float32 with these bits.
bits_of: Any = intrinsic(_bits_of)
float_of: Any = intrinsic(_float_of)


@loop
def exponent_of(value: Any) -> Any:
    """Return the exponent of a float32 as its bits; `WORST` for what is not finite.

    Only exponents are compared: among all bits, a sign would make any number the larger one.
    """
    return np.uint32(bits_of(value) & WORST)


def widen(value: Any) -> Any:
    """Return a stored number as float32."""
    if value.dtype == np.uint16:
        return (value.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return value


@overload(widen, inline="always")
def _widen(value: Any) -> Any:
    def from_bfloat16(value: Any) -> Any:
        return float_of(np.uint32(np.uint32(value) << np.uint32(16)))

    def from_float32(value: Any) -> Any:
        return value

    return from_bfloat16 if value == types.uint16 else from_float32


def narrow(value: Any, like: Any) -> Any:
    """Return a float32 as `like` is stored, to the nearest, of two equally near the even one."""
    if like.dtype != np.uint16:
        return value
    bits = np.float32(value).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)


@overload(narrow, inline="always")
def _narrow(value: Any, like: Any) -> Any:
    def to_bfloat16(value: Any, like: Any) -> Any:
        bits = bits_of(value)
        odd = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
        rounded = np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + odd)
        return np.uint16(rounded >> np.uint32(16))

    def to_float32(value: Any, like: Any) -> Any:
        return value

    return to_bfloat16 if like == types.uint16 else to_float32

"""What loops in registers keep of a change, told by the types of a rule's parts.

- None, None, None: everything.
- None, lows, None: changes of at least a size, which is NaN where nothing is kept.
- None, lows, highs: the same without those that have the higher size.
- flags, below, factors: flagged changes, divided by a number if there is one, and multiplied by
  another if there is one.

Weights are None as well where they are all 1. Flags are one array of uint8, whose bit k says
whether expert k is kept; each other part is a plain tuple with a float32 per expert: such tuples
reach a compiled function without Python being asked what they are. Each function stands here
twice, in Python for tests and for loops, one form for each kind of rule.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from merger.kernels.block import Block
from merger.kernels.flags import AT_ONCE

ZERO = np.float32(0.0)
Each = tuple[Any, ...]


class Rule(NamedTuple):
    """What is kept of some entries of each expert.

    Args:
        at: Which entries.
        weights: What changes are multiplied by, if by anything.
        flags: Which are kept, a bit per expert, or None for those of some sizes.
        first: The least sizes, if there are any; with flags what is divided by.
        second: The sizes that are too large; with flags what is multiplied by.
    """

    at: slice
    weights: Each | None
    flags: np.ndarray | None
    first: Each | None
    second: Each | None

    def arguments(self, block: Block) -> tuple[Any, ...]:
        """Return what loops take: the base, its experts, and what is kept of them.

        Where there are fewer experts than loops work on, the base stands for the others: none of
        its changes is kept.
        """
        absent = AT_ONCE - len(block.experts)
        base = block.base[self.at]
        experts = (*(expert[self.at] for expert in block.experts), *(base,) * absent)
        weights, first, second = (
            each and each + each[:1] * absent for each in (self.weights, self.first, self.second)
        )
        return base, experts, weights, self.flags, first, second


def each_of(numbers: Sequence[Any]) -> Each | None:
    """Return what each expert is multiplied by, None where that is 1 for all."""
    return None if all(number == 1.0 for number in numbers) else tuple(map(np.float32, numbers))


def four(numbers: Sequence[float]) -> Each:
    """Return a number per expert as loops take it, with 0 for experts that are not there."""
    return tuple(map(np.float32, (*numbers, *(0.0,) * (AT_ONCE - len(numbers)))))


def flag_at(flags: Any, k: Any, i: Any) -> Any:
    """Return whether expert k is kept at entry i, None without flags."""
    return None if flags is None else flags[i] & (1 << k) != 0


@overload(flag_at, inline="always")
def _flag_at(flags: Any, k: Any, i: Any) -> Any:
    def nothing(flags: Any, k: Any, i: Any) -> Any:
        return None

    def flag(flags: Any, k: Any, i: Any) -> Any:
        return np.uint8(flags[i] & np.uint8(1 << k)) != np.uint8(0)

    return nothing if isinstance(flags, types.NoneType) else flag


def number_at(numbers: Any, k: Any) -> Any:
    """Return expert k's number, None without numbers."""
    return None if numbers is None else numbers[k]


@overload(number_at, inline="always")
def _number_at(numbers: Any, k: Any) -> Any:
    def nothing(numbers: Any, k: Any) -> Any:
        return None

    def number(numbers: Any, k: Any) -> Any:
        return numbers[k]

    return nothing if isinstance(numbers, types.NoneType) else number


def times(value: Any, number: Any) -> Any:
    """Return a product, or the value itself without a number."""
    return value if number is None else value * number


@overload(times, inline="always")
def _times(value: Any, number: Any) -> Any:
    def alone(value: Any, number: Any) -> Any:
        return value

    def product(value: Any, number: Any) -> Any:
        return value * number

    return alone if isinstance(number, types.NoneType) else product


def over(value: Any, number: Any) -> Any:
    """Return a quotient, or the value itself without a number."""
    return value if number is None else value / number


@overload(over, inline="always")
def _over(value: Any, number: Any) -> Any:
    def alone(value: Any, number: Any) -> Any:
        return value

    def quotient(value: Any, number: Any) -> Any:
        return value / number

    return alone if isinstance(number, types.NoneType) else quotient


def kept(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
    """Return what is kept of a change."""
    if flag is not None:
        return times(over(times(change, weight) if flag else ZERO, first), second)
    stays = first is None or abs(change) >= first
    stays = stays and not (second is not None and abs(change) >= second)
    return times(change, weight) if stays else ZERO


@overload(kept)
def _kept(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
    def flagged(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        return times(over(times(change, weight) if flag else ZERO, first), second)

    def whole(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        return times(change, weight)

    def trimmed(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        return times(change, weight) if abs(change) >= first else ZERO

    def banded(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        size = abs(change)
        return times(change, weight) if (size >= first) & ~(size >= second) else ZERO

    if not isinstance(flag, types.NoneType):
        return flagged
    if isinstance(first, types.NoneType):
        return whole
    return trimmed if isinstance(second, types.NoneType) else banded

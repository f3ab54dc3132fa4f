"""What loops in registers keep of a change, told by the types of a rule's three parts.

- None, lows, highs: changes of at least the lower size that do not have the higher one, which is
  NaN where there is none.
- flags, None, factors: flagged changes, multiplied by a number.
- flags, below, factors: flagged changes, divided by a number and multiplied by another.

Each part is a plain tuple with an item per expert, a float32 or an array of uint8 for flags: such
tuples reach a compiled function without Python being asked what they are. Each function stands
here twice, in Python for tests and for loops, one form for each kind of rule.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from merger.kernels.block import Block

ZERO = np.float32(0.0)
# Experts that one loop holds in registers.
AT_ONCE = 4
Each = tuple[Any, ...]


class Rule(NamedTuple):
    """What is kept of some entries of each expert.

    Args:
        at: Which entries.
        weights: What changes are multiplied by.
        flags: Which are kept, or None for those of some sizes.
        first: The least sizes; with flags what is divided by, if anything is.
        second: The sizes that are too large; with flags what is multiplied by.
    """

    at: slice
    weights: Each
    flags: Each | None
    first: Each | None
    second: Each

    def arguments(self, block: Block) -> tuple[Any, ...]:
        """Return what loops take: the base, its experts, and what is kept of them.

        Where there are fewer experts than loops work on, the base stands for the others: none of
        its changes is kept.
        """
        absent = AT_ONCE - len(self.weights)
        base = block.base[self.at]
        experts = (*(expert[self.at] for expert in block.experts), *(base,) * absent)
        weights = (*self.weights, *(ZERO,) * absent)
        rest = (self.flags, self.first, self.second)
        return base, experts, weights, *(each and each + each[:1] * absent for each in rest)


def four(numbers: Sequence[float]) -> Each:
    """Return a number per expert as loops take it, with 0 for experts that are not there."""
    return tuple(map(np.float32, (*numbers, *(0.0,) * (AT_ONCE - len(numbers)))))


def flag_at(flags: Any, k: Any, i: Any) -> Any:
    """Return expert k's flag at entry i, None without flags."""
    return None if flags is None else flags[k][i]


@overload(flag_at, inline="always")
def _flag_at(flags: Any, k: Any, i: Any) -> Any:
    def nothing(flags: Any, k: Any, i: Any) -> Any:
        return None

    def flag(flags: Any, k: Any, i: Any) -> Any:
        return flags[k][i]

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


def kept(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
    """Return what is kept of a change."""
    if flag is None:
        stays = abs(change) >= first and not abs(change) >= second
        return change * weight if stays else ZERO
    found = change * weight if flag else ZERO
    return (found if first is None else found / first) * second


@overload(kept)
def _kept(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
    def banded(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        size = abs(change)
        return change * weight if (size >= first) & ~(size >= second) else ZERO

    def flagged(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        return change * weight * np.float32(flag) * second

    def divided(change: Any, weight: Any, flag: Any, first: Any, second: Any) -> Any:
        return change * weight * np.float32(flag) / first * second

    if isinstance(flag, types.NoneType):
        return banded
    return flagged if isinstance(first, types.NoneType) else divided

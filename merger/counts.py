"""Histograms of magnitudes that are never held: bit patterns of float32, in two halves."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

# Without the sign, the bit patterns of float32 are monotone integers of 31 bits.
HIGH_BINS = 1 << 15
LOW_BINS = 1 << 16
Blocks = Callable[[], Iterable[tuple[int, np.ndarray]]]


class Counts(Protocol):
    """Passes over the magnitudes of several experts."""

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        """Return how often each upper half occurs, for the experts that are wanted."""
        ...

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        ...

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        """Return the index of the n-th magnitude with some bits, for pairs of bits and n."""
        ...


class BlockCounts:
    """Counts over blocks of magnitudes.

    Args:
        blocks: Called for each pass; gives (first index, magnitudes of shape (n, length)).
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        """Return how often each upper half occurs, for the experts that are wanted."""
        counts = [np.zeros(HIGH_BINS, np.int64) for _ in wanted]
        for _, magnitudes in self._blocks():
            for row, count, is_wanted in zip(magnitudes, counts, wanted, strict=True):
                if is_wanted:
                    count += np.bincount(bits_of(row) >> 16, minlength=HIGH_BINS)
        return counts

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        """Return how often each lower half occurs below some upper halves of each expert."""
        counts = [{upper: np.zeros(LOW_BINS, np.int64) for upper in some} for some in wanted]
        for _, magnitudes in self._blocks():
            for row, by_upper in zip(magnitudes, counts, strict=True):
                bits = bits_of(row)
                for upper, count in by_upper.items():
                    inside = bits[(bits >> 16) == upper] & 0xFFFF
                    count += np.bincount(inside, minlength=LOW_BINS)
        return counts

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        """Return the index of the n-th magnitude with some bits, for pairs of bits and n."""
        found = [[-1] * len(some) for some in wanted]
        left = [[nth for _, nth in some] for some in wanted]
        for first, magnitudes in self._blocks():
            for row, some, places, rest in zip(magnitudes, wanted, found, left, strict=True):
                for i, (bits, _) in enumerate(some):
                    if rest[i] == 0:
                        continue
                    equal = np.flatnonzero(bits_of(row) == bits)
                    if len(equal) >= rest[i]:
                        places[i] = first + int(equal[rest[i] - 1])
                    rest[i] = max(0, rest[i] - len(equal))
            if not any(map(any, left)):
                break
        return found


def bits_of(magnitudes: np.ndarray) -> np.ndarray:
    """Return the bit patterns of float32."""
    return np.ascontiguousarray(magnitudes).view(np.uint32)

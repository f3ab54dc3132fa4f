"""Compiled inner products of two, or of up to four experts, each number widened once.

Each expert stands here by itself, as in `registers`: numbers stay in registers while they are
multiplied with those of all others, four rows of lanes at a time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from merger.kernels.ahead import FEW, SOME, STEP, ask_ahead, place_of
from merger.kernels.bits import widen
from merger.kernels.loop import contracted, inside
from merger.products import pairs
from merger.sums import CHUNK, LANES

MOST = 4


@inside
def _number(expert: Any, base: Any, i: Any) -> Any:
    value = widen(expert[i])
    if base is not None:
        # A difference is rounded to float32, as everywhere else.
        value = np.float32(value - widen(base[i]))
    return np.float64(value)


@inside
def _four_rows(expert: Any, base: Any, i: Any) -> Any:
    return (
        _number(expert, base, i), _number(expert, base, i + STEP),
        _number(expert, base, i + STEP + STEP), _number(expert, base, i + STEP + STEP + STEP),
    )  # fmt: skip


@inside
def _added(total: Any, left: Any, right: Any) -> Any:
    """Return a total with the products of four rows, one after the other."""
    total = total + left[0] * right[0] + left[1] * right[1]
    return total + left[2] * right[2] + left[3] * right[3]


@contracted
def _multiply_two(first: Any, second: Any, base: Any, lanes: Any) -> None:
    # What counts from 0 without a sign needs no look whether it counts from the end.
    rows = np.uint64(len(first)) // FEW
    for part in range(rows * np.uint64(4)):
        ask_ahead(first, part * STEP, STEP)
        ask_ahead(second, part * STEP, STEP)
        if base is not None:
            ask_ahead(base, part * STEP, STEP)
        lanes_before, before = place_of(part)
        for at in range(SOME):
            i, lane = before + at, lanes_before + at
            a, b = _four_rows(first, base, i), _four_rows(second, base, i)
            lanes[np.uint64(0) * STEP + lane] = _added(lanes[np.uint64(0) * STEP + lane], a, a)
            lanes[np.uint64(1) * STEP + lane] = _added(lanes[np.uint64(1) * STEP + lane], a, b)
            lanes[np.uint64(2) * STEP + lane] = _added(lanes[np.uint64(2) * STEP + lane], b, b)
    for i in range(rows * FEW, np.uint64(len(first))):
        x, y = _number(first, base, i), _number(second, base, i)
        lanes[np.uint64(0) * STEP + i % STEP] += x * x
        lanes[np.uint64(1) * STEP + i % STEP] += x * y
        lanes[np.uint64(2) * STEP + i % STEP] += y * y


@contracted
def _multiply_four(experts: Any, base: Any, lanes: Any) -> None:
    first, second, third, fourth = experts
    rows = np.uint64(len(first)) // FEW
    for part in range(rows * np.uint64(4)):
        for one in experts:
            ask_ahead(one, part * STEP, STEP)
        if base is not None:
            ask_ahead(base, part * STEP, STEP)
        lanes_before, before = place_of(part)
        for at in range(SOME):
            i, lane = before + at, lanes_before + at
            a, b = _four_rows(first, base, i), _four_rows(second, base, i)
            c, d = _four_rows(third, base, i), _four_rows(fourth, base, i)
            lanes[np.uint64(0) * STEP + lane] = _added(lanes[np.uint64(0) * STEP + lane], a, a)
            lanes[np.uint64(1) * STEP + lane] = _added(lanes[np.uint64(1) * STEP + lane], a, b)
            lanes[np.uint64(2) * STEP + lane] = _added(lanes[np.uint64(2) * STEP + lane], a, c)
            lanes[np.uint64(3) * STEP + lane] = _added(lanes[np.uint64(3) * STEP + lane], a, d)
            lanes[np.uint64(4) * STEP + lane] = _added(lanes[np.uint64(4) * STEP + lane], b, b)
            lanes[np.uint64(5) * STEP + lane] = _added(lanes[np.uint64(5) * STEP + lane], b, c)
            lanes[np.uint64(6) * STEP + lane] = _added(lanes[np.uint64(6) * STEP + lane], b, d)
            lanes[np.uint64(7) * STEP + lane] = _added(lanes[np.uint64(7) * STEP + lane], c, c)
            lanes[np.uint64(8) * STEP + lane] = _added(lanes[np.uint64(8) * STEP + lane], c, d)
            lanes[np.uint64(9) * STEP + lane] = _added(lanes[np.uint64(9) * STEP + lane], d, d)
    for i in range(rows * FEW, np.uint64(len(first))):
        pair = np.uint64(0)
        for j in range(len(experts)):
            for k in range(j, len(experts)):
                left, right = _number(experts[j], base, i), _number(experts[k], base, i)
                lanes[pair * STEP + i % STEP] += left * right
                pair += np.uint64(1)


@contracted
def _chunks_of_two(first: Any, second: Any, base: Any, lanes: Any) -> None:
    for chunk in range(len(lanes)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(first)))
        if base is None:
            _multiply_two(first[few], second[few], None, lanes[chunk])
        else:
            _multiply_two(first[few], second[few], base[few], lanes[chunk])


@contracted
def _chunks_of_four(experts: Any, base: Any, lanes: Any) -> None:
    first, second, third, fourth = experts
    for chunk in range(len(lanes)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(first)))
        four = first[few], second[few], third[few], fourth[few]
        if base is None:
            _multiply_four(four, None, lanes[chunk])
        else:
            _multiply_four(four, base[few], lanes[chunk])


def chunks_of_products(experts: Sequence[np.ndarray], base: np.ndarray | None) -> np.ndarray:
    """Return the inner products of each pair over each chunk, (chunks, pairs).

    Args:
        experts: Two to four, as they are stored.
        base: The base, where changes are multiplied.
    """
    n, chunks = len(experts), -(-len(experts[0]) // CHUNK)
    if n == 2:
        lanes = np.zeros((chunks, 3 * LANES))
        _chunks_of_two(*experts, base, lanes)
        return np.add.reduce(lanes.reshape(chunks, -1, LANES), axis=2)
    # The first one stands for those that are not there; its products are left out again.
    lanes = np.zeros((chunks, len(pairs(MOST)) * LANES))
    _chunks_of_four((*experts, *[experts[0]] * (MOST - n)), base, lanes)
    there = [place for place, pair in enumerate(pairs(MOST)) if max(pair) < n]
    return np.add.reduce(lanes.reshape(chunks, -1, LANES)[:, there], axis=2)

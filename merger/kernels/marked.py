"""Even lots of up to four experts, drawn while their magnitudes are added up.

All that one chunk needs stays in the cache of a processor: its draws, what they mark, and sums of
magnitudes in lanes, as `sums.l1` adds. Each expert stands here by itself, as in `registers`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from merger.kernels.ahead import FEW, SOME, STEP, ask_ahead, place_of
from merger.kernels.bits import widen
from merger.kernels.draws import even_flags
from merger.kernels.flags import AT_ONCE, HELD_FLAGS
from merger.kernels.loop import inside, loop
from merger.kernels.lots import EvenLots, Lots
from merger.kernels.rooms import Rooms
from merger.kernels.rules import each_of, flag_at, number_at, times
from merger.sums import CHUNK, LANES

# Entries in one call: the lanes of all their chunks take a hundred kilobytes.
PART = 16 * CHUNK


@loop
def _mark(keys: Any, thresholds: Any, start: int, room: Any, marks: Any) -> None:
    """Write bit k where expert k is kept, from place `start` on."""
    for k in range(len(keys)):
        flags = room[: len(marks)]
        even_flags(keys[k], thresholds[k], start, flags)
        bit, none = np.uint8(1 << k), np.uint8(0)
        for i in range(len(marks)):
            before = none if k == 0 else marks[i]
            marks[i] = np.uint8(before | (bit if flags[i] else none))


@inside
def _size(expert: Any, start: Any, weight: Any, i: Any) -> Any:
    return np.float64(abs(times(np.float32(widen(expert[i]) - start), weight)))


@inside
def _add_four(expert: Any, starts: Any, weight: Any, marks: Any, k: Any, i: Any, lanes: Any,
              lane: Any) -> None:  # fmt: skip
    """Add four rows of expert k's magnitudes to its lane of all, and to that of what is kept."""
    second = i + STEP
    third = second + STEP
    fourth = third + STEP
    a, b = _size(expert, starts[0], weight, i), _size(expert, starts[1], weight, second)
    c, d = _size(expert, starts[2], weight, third), _size(expert, starts[3], weight, fourth)
    whole, left = np.uint64(k) * STEP + lane, np.uint64(k + AT_ONCE) * STEP + lane
    lanes[whole] = lanes[whole] + a + b + c + d
    total = lanes[left] + (a if flag_at(marks, k, i) else 0.0)
    total += b if flag_at(marks, k, second) else 0.0
    total += c if flag_at(marks, k, third) else 0.0
    lanes[left] = total + (d if flag_at(marks, k, fourth) else 0.0)


@inside
def _add_one(expert: Any, base: Any, weight: Any, marks: Any, k: Any, i: Any, lanes: Any) -> None:
    size, lane = _size(expert, widen(base[i]), weight, i), i % STEP
    lanes[np.uint64(k) * STEP + lane] += size
    lanes[np.uint64(k + AT_ONCE) * STEP + lane] += size if flag_at(marks, k, i) else 0.0


@loop
def _add_chunk(experts: Any, base: Any, weights: Any, marks: Any, lanes: Any) -> None:
    first, second, third, fourth = experts
    # What counts from 0 without a sign needs no look whether it counts from the end.
    rows = np.uint64(len(base)) // FEW
    for part in range(rows * np.uint64(4)):
        for one in (base, first, second, third, fourth):
            ask_ahead(one, part * STEP, STEP)
        lanes_before, before = place_of(part)
        for at in range(SOME):
            i, lane = before + at, lanes_before + at
            starts = (
                widen(base[i]), widen(base[i + STEP]), widen(base[i + STEP + STEP]),
                widen(base[i + STEP + STEP + STEP]),
            )  # fmt: skip
            _add_four(first, starts, number_at(weights, 0), marks, 0, i, lanes, lane)
            _add_four(second, starts, number_at(weights, 1), marks, 1, i, lanes, lane)
            _add_four(third, starts, number_at(weights, 2), marks, 2, i, lanes, lane)
            _add_four(fourth, starts, number_at(weights, 3), marks, 3, i, lanes, lane)
    for i in range(rows * FEW, np.uint64(len(base))):
        _add_one(first, base, number_at(weights, 0), marks, 0, i, lanes)
        _add_one(second, base, number_at(weights, 1), marks, 1, i, lanes)
        _add_one(third, base, number_at(weights, 2), marks, 2, i, lanes)
        _add_one(fourth, base, number_at(weights, 3), marks, 3, i, lanes)


@loop
def _add_up(
    experts: Any, base: Any, weights: Any, keys: Any, thresholds: Any, start: int, marks: Any,
    lanes: Any,
) -> None:  # fmt: skip
    """Draw what is kept, and add up magnitudes by chunk.

    Args:
        experts: A tuple of four arrays as they are stored.
        base: The base's entries.
        weights: What changes are multiplied by, None or a tuple of float32.
        keys: Each expert's key for this tensor.
        thresholds: For each expert, what `even_flags` takes.
        start: The place of the first entry.
        marks: uint8, overwritten with a bit for each expert that is kept.
        lanes: (chunks, 8 LANES) zeros; sums of all and then of what is kept, by expert and lane.
    """
    first, second, third, fourth = experts
    room = np.empty(CHUNK, np.uint8)
    for chunk in range(len(lanes)):
        few = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(base)))
        _mark(keys, thresholds, start + few.start, room, marks[few])
        four = first[few], second[few], third[few], fourth[few]
        _add_chunk(four, base[few], weights, marks[few], lanes[chunk])


class MarkedLots(Lots):
    """Even lots, with what they leave of a tensor's sums of magnitudes.

    Args:
        lots: Who is kept.
        experts: The whole tensor of each of up to four experts as it is stored.
        base: The base's.
        weights: What changes are multiplied by.
        rooms: Where there is room for marks.
    """

    step = 1

    def __init__(
        self,
        lots: EvenLots,
        experts: Sequence[np.ndarray],
        base: np.ndarray,
        weights: Sequence[float],
        rooms: Rooms,
    ) -> None:
        self._lots = lots
        self._marks = rooms.lend(len(base), self) if len(base) <= HELD_FLAGS else None
        self.has_marks = self._marks is not None
        self.nbytes = 0 if self._marks is None else self._marks.nbytes
        self.factors = self._factors(experts, base, weights)

    def flags(self, i: int, expert: np.ndarray, base: np.ndarray, start: int) -> np.ndarray:
        """Return 1 for entries of expert i that are kept and 0 for others, from `start` on."""
        if self._marks is None:
            return self._lots.flags(i, expert, base, start)
        return self._marks[start : start + len(base)] >> np.uint8(i) & np.uint8(1)

    def marks(self, experts: Sequence[np.ndarray], base: np.ndarray, start: int) -> np.ndarray:
        """Return a byte for each entry, with bit i for expert i."""
        if self._marks is None:
            return self._lots.marks(experts, base, start)
        return self._marks[start : start + len(base)]

    def _factors(
        self, experts: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]
    ) -> list[float]:
        """Return what gives each expert's kept entries the sum of magnitudes that all had."""
        # The base stands for experts that are not there: it does not change.
        absent = AT_ONCE - len(experts)
        times_each = each_of([*weights, *(1.0,) * absent])
        sums = np.zeros(2 * AT_ONCE)
        room = np.empty(min(PART, len(base)), np.uint8)
        for start in range(0, len(base), PART):
            part = slice(start, start + PART)
            origin = base[part]
            rows = *(expert[part] for expert in experts), *(origin,) * absent
            marks = room[: len(origin)] if self._marks is None else self._marks[part]
            lanes = np.zeros((-(-len(origin) // CHUNK), 2 * AT_ONCE * LANES))
            _add_up(rows, origin, times_each, *self._lots.draws, start, marks, lanes)
            for chunk in np.add.reduce(lanes.reshape(-1, 2 * AT_ONCE, LANES), axis=2):
                sums += chunk
        whole, left = sums[: len(experts)].tolist(), sums[AT_ONCE:][: len(experts)].tolist()
        both = zip(whole, left, strict=True)
        return [all_had / has if has > 0.0 else 1.0 for all_had, has in both]

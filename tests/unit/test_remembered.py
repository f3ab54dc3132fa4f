"""What was found or counted once is not looked for again, and is the same."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from merger.cuts import EVERYTHING, NOTHING, cut_of, survives
from merger.kernels.one_pass import Row
from merger.kernels.stored_counts import Read, StoredCounts, rows_of_changes
from merger.lru import Lru
from merger.passes import SurveyCache
from merger.remembered import remembered_cuts, sparse

ENTRIES, PART = 500, 1 << 17


class Again:
    """Cuts of the same magnitudes again and again, and how often these were gone over."""

    def __init__(self, magnitudes: np.ndarray, for_more: bool) -> None:
        self._magnitudes = magnitudes
        self._shown = 0
        self._for_more = for_more
        self._cache: Lru[Any] = Lru(1 << 20, lambda value: getattr(value, "nbytes", 64))

    def _rows(self, is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        for start in range(since, self._magnitudes.shape[1], PART):
            for i, row in enumerate(self._magnitudes[:, start : start + PART]):
                if is_wanted(i):
                    self._shown += len(row)
                    yield i, start, row.view(np.uint32)

    def cuts(self, *keep: int) -> float:
        """Check that cuts are those of a sort, and return how many passes they took."""
        n, entries = self._magnitudes.shape
        counts = StoredCounts(self._rows, lambda: None)
        wanted = [set(keep)] * n
        found = remembered_cuts(counts, entries, wanted, self._cache, "models", self._for_more)
        for row, by_count in zip(self._magnitudes, found, strict=True):
            for k in keep:
                expected = survives(row, cut_of(row, k), 0)
                assert np.array_equal(survives(row, by_count[k], 0), expected)
        passes = self._shown / (n * entries)
        self._shown = 0
        return passes


def drawn(entries: int, step: float) -> np.ndarray:
    """Return magnitudes of two experts that are multiples of a step."""
    normal = np.random.default_rng(0).normal(size=(2, entries))
    return (np.round(np.abs(normal) / step) * step).astype(np.float32)


def test_a_second_survey_takes_only_the_passes_that_are_new() -> None:
    # Few distinct numbers, so that cuts fall on equal ones.
    again = Again(drawn(ENTRIES, 0.1), for_more=False)
    assert again.cuts(100) == 2
    assert again.cuts(100) == 0
    assert again.cuts(100, 300) == 1
    assert again.cuts(300) == 0


def test_where_every_magnitude_was_counted_other_cuts_need_no_survey() -> None:
    # Multiples of a power of two: all of them plain, and each met many times.
    again = Again(drawn(1 << 21, 2.0**-6), for_more=True)
    first = again.cuts(1000)
    assert 1.0 <= first < 1.1
    # Equal ones are told apart in one part of eight.
    assert again.cuts(200_000, 1 << 20) <= 2 / 8
    assert again.cuts(200_000, 1 << 20, 1000) == 0


def test_many_different_magnitudes_are_not_counted() -> None:
    again = Again(drawn(1 << 20, 2.0**-24), for_more=True)
    again.cuts(1000)
    assert again.cuts(200_000) >= 1


def test_nothing_and_everything_need_no_look() -> None:
    def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        raise AssertionError("nothing had to be shown")
        yield

    counts = StoredCounts(rows, lambda: None)
    found = remembered_cuts(counts, ENTRIES, [[0, ENTRIES]], Lru(1), "models", True)
    assert found == [{0: NOTHING, ENTRIES: EVERYTHING}]


def test_counts_are_kept_as_what_is_not_0() -> None:
    counts = np.zeros(1 << 15, np.int64)
    counts[[3, 70, 30_000]] = 1, 1 << 40, 5
    kept = sparse(counts)
    assert kept.nbytes < 100
    assert np.array_equal(kept.dense(1 << 15), counts)


def test_magnitudes_are_counted_as_long_as_there_is_room() -> None:
    cache = SurveyCache(1000, looks_ahead=True)
    assert cache.for_more
    cache.put("some", np.zeros(800, np.uint8))
    assert not cache.for_more
    assert not SurveyCache(1000).for_more


@pytest.mark.parametrize("lengths", [(900_001, 70_003, 200_000), (1 << 20, 3), (5, 1_300_001)])
def test_equal_ones_are_told_apart_over_tensors_of_any_length(lengths: tuple[int, ...]) -> None:
    draw, entries = np.random.default_rng(0), sum(lengths)
    # Halves of a few numbers in bfloat16: most magnitudes are met many times.
    stored = [
        (np.round(draw.normal(size=entries) * 8) / 8).astype(np.float32).view(np.uint32) >> 16
        for _ in range(3)
    ]
    base, *experts = (bits.astype(np.uint16) for bits in stored)

    def pieces() -> Iterator[tuple[int, Read]]:
        first = 0
        for length in lengths:
            for start in range(first, first + length, 2 * PART):
                at = slice(start, min(first + length, start + 2 * PART))
                read = partial(lambda at, wanted: ([experts[i][at] for i in wanted], base[at]), at)
                yield at.stop - at.start, read
            first += length

    counts = StoredCounts(rows_of_changes(pieces, 2), lambda: None)
    keep = [1, 1000, entries // 5, entries // 2, entries - 1]
    found = remembered_cuts(counts, entries, [keep] * 2, Lru(1 << 20), "models", True)
    values = [(bits << 16).view(np.float32) for bits in stored]
    for value, cuts in zip(values[1:], found, strict=True):
        row = np.abs(value - values[0])
        for k in keep:
            kept = survives(row, cuts[k], 0)
            assert np.array_equal(kept, survives(row, cut_of(row, k), 0))
            assert int(kept.sum()) == k

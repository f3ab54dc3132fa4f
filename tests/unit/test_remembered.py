"""What was found or counted once is not looked for again, and is the same."""

from collections.abc import Callable, Iterator

import numpy as np

from merger.cuts import EVERYTHING, NOTHING, cut_of, survives
from merger.kernels.one_pass import Row
from merger.kernels.stored_counts import StoredCounts
from merger.lru import Lru
from merger.remembered import remembered_cuts, sparse

ENTRIES = 500


def test_a_second_survey_takes_only_the_passes_that_are_new() -> None:
    draw = np.random.default_rng(0)
    # Few distinct numbers, so that cuts fall on equal ones.
    magnitudes = np.round(np.abs(draw.normal(size=(2, ENTRIES))), 1).astype(np.float32)
    shown, cache = [], Lru(1 << 20)

    def rows(is_wanted: Callable[[int], bool]) -> Iterator[Row]:
        for i, row in enumerate(magnitudes):
            if is_wanted(i):
                shown.append(i)
                yield i, 0, row.view(np.uint32)

    def cuts(*keep: int) -> int:
        counts = StoredCounts(rows, lambda: None)
        found = remembered_cuts(counts, ENTRIES, [set(keep)] * 2, cache, "models")
        for row, by_count in zip(magnitudes, found, strict=True):
            for k in keep:
                expected = survives(row, cut_of(row, k), 0)
                assert np.array_equal(survives(row, by_count[k], 0), expected)
        passes = len(shown)
        shown.clear()
        return passes // 2

    assert cuts(100) == 2
    assert cuts(100) == 0
    assert cuts(100, 300) == 1
    assert cuts(300) == 0


def test_nothing_and_everything_need_no_look() -> None:
    def rows(is_wanted: Callable[[int], bool]) -> Iterator[Row]:
        raise AssertionError("nothing had to be shown")
        yield

    counts = StoredCounts(rows, lambda: None)
    found = remembered_cuts(counts, ENTRIES, [[0, ENTRIES]], Lru(1), "models")
    assert found == [{0: NOTHING, ENTRIES: EVERYTHING}]


def test_counts_are_kept_as_what_is_not_0() -> None:
    counts = np.zeros(1 << 15, np.int64)
    counts[[3, 70, 30_000]] = 1, 1 << 40, 5
    kept = sparse(counts)
    assert kept.nbytes < 100
    assert np.array_equal(kept.dense(1 << 15), counts)

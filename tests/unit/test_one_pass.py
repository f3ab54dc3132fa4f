"""Cuts found in little more than one pass are those of a sort, wherever the guess lands."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from merger.cuts import Cut, cut_of, survives
from merger.kernels import one_pass
from merger.kernels.one_pass import Row
from merger.kernels.stored_counts import StoredCounts

ENTRIES, PART = 450_001, 1 << 17


class Shown:
    """Rows of several experts, and how many entries were shown."""

    def __init__(self, magnitudes: np.ndarray) -> None:
        self.magnitudes = magnitudes
        self.entries = 0

    def rows(self, is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        for start in range(since, self.magnitudes.shape[1], PART):
            for i, row in enumerate(self.magnitudes):
                if is_wanted(i):
                    part = row[start : start + PART]
                    self.entries += len(part)
                    yield i, start, part.view(np.uint32)


def check(magnitudes: np.ndarray, keep: list[int]) -> int:
    """Compare the cuts with those of a sort, and return how many entries were shown."""
    shown = Shown(magnitudes)
    counts = StoredCounts(shown.rows, lambda: None)
    found, _ = counts.cuts(magnitudes.shape[1], [keep] * len(magnitudes), [None, None])
    for row, cuts in zip(magnitudes, found, strict=True):
        for k in keep:
            same(row, cuts[k], k)
    return shown.entries


def same(row: np.ndarray, found: Cut, k: int) -> None:
    expected = cut_of(row, k)
    assert found.threshold == expected.threshold
    assert np.array_equal(survives(row, found, 0), survives(row, expected, 0))
    assert int(survives(row, found, 0).sum()) == k


@pytest.fixture(scope="module")
def magnitudes() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_t(3, size=(2, ENTRIES))
    return np.abs(drawn).astype(np.float32)


def test_a_good_guess_shows_only_the_first_rows_twice(magnitudes: np.ndarray) -> None:
    shown = check(magnitudes, [ENTRIES // 5, ENTRIES * 9 // 10])
    assert shown == 2 * (ENTRIES + one_pass.ENOUGH)


def test_equal_magnitudes_are_kept_from_the_first_on(magnitudes: np.ndarray) -> None:
    few = np.round(magnitudes, 2)
    check(few, [1, ENTRIES // 5, ENTRIES - 1])


def test_a_wrong_guess_is_found_out(magnitudes: np.ndarray) -> None:
    uneven = magnitudes.copy()
    uneven[:, 300_000:] *= 100.0
    # Counts of upper and lower halves are taken of everything then.
    shown = check(uneven, [ENTRIES // 5])
    assert shown == 2 * (3 * ENTRIES + one_pass.ENOUGH)


def test_short_rows_are_shown_twice(magnitudes: np.ndarray) -> None:
    assert check(magnitudes[:, :1000].copy(), [1, 500, 999]) == 4 * 1000


def test_more_than_there_is_room_for_is_counted_instead(
    magnitudes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_pass, "MOST", 50)
    check(np.round(magnitudes, 1), [ENTRIES // 5, ENTRIES // 2])


def test_counts_that_are_known_save_the_first_pass(magnitudes: np.ndarray) -> None:
    shown = Shown(magnitudes)
    counts = StoredCounts(shown.rows, lambda: None)
    _, highs = counts.cuts(ENTRIES, [[1000], [1000]], [None, None])
    shown.entries = 0
    found, again = counts.cuts(ENTRIES, [[7000], [8000]], highs)
    assert shown.entries == 2 * ENTRIES
    assert all(np.array_equal(a, b) for a, b in zip(highs, again, strict=True))
    same(magnitudes[0], found[0][7000], 7000)
    same(magnitudes[1], found[1][8000], 8000)

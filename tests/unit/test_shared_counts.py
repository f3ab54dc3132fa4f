"""Threads that count for different experts find what one thread finds."""

from collections.abc import Callable, Iterator
from threading import get_ident

import numpy as np
import pytest

from merger.kernels.one_pass import Row
from merger.kernels.shared_counts import SharedCounts
from merger.kernels.stored_counts import StoredCounts

ENTRIES = 70_000


def rows_of(magnitudes: np.ndarray, threads: set[int]):
    def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        threads.add(get_ident())
        for i, row in enumerate(magnitudes):
            if is_wanted(i):
                yield i, since, row[since:].view(np.uint32)

    return rows


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_groups_of_experts_are_counted_by_threads_of_their_own(workers: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(3, ENTRIES))
    magnitudes = (np.round(np.abs(drawn) * 16) / 16).astype(np.float32)
    threads: set[int] = set()
    alone = StoredCounts(rows_of(magnitudes, set()), lambda: None)
    shared = SharedCounts(StoredCounts(rows_of(magnitudes, threads), lambda: None), workers)
    for wanted in ([{10, 700}, {20_000}, {5}], [(), {300}, ()], [(), (), ()]):
        found, expected = (c.cuts(ENTRIES, wanted, [None] * 3) for c in (shared, alone))
        assert found[0] == expected[0]
        assert all(map(np.array_equal, found[1], expected[1]))
        asked = [bool(keep) for keep in wanted]
        both = zip(shared.tallies(ENTRIES, asked), alone.tallies(ENTRIES, asked), strict=True)
        for mine, other in both:
            assert (mine is None) == (other is None)
            assert mine is None or all(map(np.array_equal, mine[:4], other[:4]))  # pyright: ignore[reportOptionalSubscript]  # both are there
    assert get_ident() in threads
    assert (len(threads) > 1) == (workers > 1)


def test_an_error_of_any_thread_is_raised() -> None:
    def rows(is_wanted: Callable[[int], bool], since: int) -> Iterator[Row]:
        if is_wanted(1):
            raise OSError("no more to read")
        yield 0, 0, np.ones(10, np.uint32)

    shared = SharedCounts(StoredCounts(rows, lambda: None), 2)
    with pytest.raises(OSError, match="no more"):
        shared.cuts(10, [{5}, {5}], [None] * 2)

"""What was counted once is not counted again, and is the same."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from merger.counts import BlockCounts
from merger.cuts import cut_of, stream_cuts
from merger.lru import Lru
from merger.remembered import RememberedCounts


class Counted(BlockCounts):
    """Counts that say which passes they were asked for."""

    def __init__(self, magnitudes: np.ndarray) -> None:
        super().__init__(lambda: [(0, magnitudes)])
        self.passes: list[str] = []

    def high(self, wanted: Sequence[bool]) -> Sequence[np.ndarray]:
        self.passes.append("high")
        return super().high(wanted)

    def low(self, wanted: Sequence[Collection[int]]) -> Sequence[Mapping[int, np.ndarray]]:
        self.passes.append("low")
        return super().low(wanted)

    def find(self, wanted: Sequence[Sequence[tuple[int, int]]]) -> Sequence[Sequence[int]]:
        self.passes.append("find")
        return super().find(wanted)


def test_a_second_survey_takes_only_the_passes_that_are_new() -> None:
    draw = np.random.default_rng(0)
    # Few distinct numbers, so that cuts fall on equal ones.
    magnitudes = np.round(np.abs(draw.normal(size=(2, 500))), 1).astype(np.float32)
    counts, cache = Counted(magnitudes), Lru(1 << 20)
    remembered = RememberedCounts(counts, cache, "models")

    def cuts(*keep: int) -> list[int]:
        found = stream_cuts(remembered, 500, [set(keep)] * 2)
        for row, by_count in zip(magnitudes, found, strict=True):
            for k in keep:
                expected = cut_of(row, k)
                kept = (row > by_count[k].threshold) | (
                    (row == by_count[k].threshold) & (np.arange(500) <= by_count[k].last)
                )
                assert by_count[k].threshold == np.float32(expected.threshold)
                assert kept.sum() == k
        passes, counts.passes = list(counts.passes), []
        return passes

    assert cuts(100) == ["high", "low", "find"]
    assert cuts(100) == []
    assert cuts(100, 300) == ["low", "find"]
    assert cuts(300) == []

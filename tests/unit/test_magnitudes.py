"""Cuts that follow from counts are those of a sort, whatever is counted."""

import numpy as np
import pytest

from merger.kernels import tally
from merger.kernels.tally import Tally
from merger.magnitudes import Magnitudes


def counted(magnitudes: np.ndarray, row: int = 1000) -> Magnitudes | None:
    """Return what is counted when magnitudes come in rows of some length."""
    made = Tally(len(magnitudes))
    for start in range(0, len(magnitudes), row):
        made.look(start, magnitudes[start : start + row].view(np.uint32))
    return made.found()


def place_by_sorting(magnitudes: np.ndarray, k: int) -> tuple[int, int, bool]:
    bits = magnitudes.view(np.uint32)
    chosen = int(np.sort(bits)[-k])
    left = k - int((bits > chosen).sum())
    return chosen, left, left == int((bits == chosen).sum())


def few(entries: int, odd: float) -> np.ndarray:
    """Return multiples of a power of two, and a share of others that are odd."""
    draw = np.random.default_rng(entries)
    plain = np.round(np.abs(draw.normal(size=entries)) * 16) / 16
    others = np.round(np.abs(draw.normal(size=entries)) * 999) / 999
    return np.where(draw.random(entries) < odd, others, plain).astype(np.float32)


@pytest.mark.parametrize("odd", [0.0, 0.05])
def test_every_cut_is_that_of_a_sort(odd: float) -> None:
    magnitudes = few(3000, odd)
    found = counted(magnitudes)
    assert found is not None
    for k in range(1, 3001, 7):
        place = found.place(k)
        assert (place.bits, place.left, place.is_whole) == place_by_sorting(magnitudes, k)


def test_a_place_is_looked_for_in_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "STEP", 100)
    magnitudes = few(3000, 0.05)
    # Rows that end anywhere, some of them longer than a part.
    found = counted(magnitudes, row=470)
    assert found is not None and found.step == 400
    bits = magnitudes.view(np.uint32)
    for k in range(1, 3001, 11):
        place = found.place(k)
        equal = np.flatnonzero(bits == place.bits)
        last = int(equal[place.left - 1])
        assert place.skipped == int((equal < place.since).sum())
        assert place.since <= last
        if not place.bits & 0xFFFF:
            assert last < place.since + found.step


def test_odd_ones_are_put_in_order_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "TOGETHER", 10)
    magnitudes = few(3000, 0.05)
    found = counted(magnitudes)
    assert found is not None
    bits, counts = np.unique(magnitudes.view(np.uint32), return_counts=True)
    is_odd = bits & 0xFFFF != 0
    assert np.array_equal(found.odd, bits[is_odd])
    assert np.array_equal(found.counts, counts[is_odd])
    assert found.parts.sum() == 3000 - counts[is_odd].sum()


def test_all_equal_magnitudes_and_zeros() -> None:
    for value in (0.0, 0.5, 1.0 / 3.0):
        magnitudes = np.full(10, value, np.float32)
        found = counted(magnitudes)
        assert found is not None
        assert found.place(4)[:3] == (int(magnitudes.view(np.uint32)[0]), 4, False)
        assert found.place(10).is_whole


def test_too_many_odd_ones_are_noticed_early() -> None:
    made = Tally(1 << 20)
    drawn = np.random.default_rng(0).random(1 << 17).astype(np.float32)
    made.look(0, drawn.view(np.uint32))
    assert made.gave_up
    assert made.found() is None


def test_too_many_different_ones_are_noticed_whatever_their_share() -> None:
    drawn = np.random.default_rng(0).random(1 << 22).astype(np.float32)
    # All odd ones differ, and only one magnitude in ten is odd.
    drawn[np.arange(len(drawn)) % 10 > 0] = 0.0
    made = Tally(len(drawn))
    made.look(0, drawn.view(np.uint32))
    assert made.gave_up and made.found() is None

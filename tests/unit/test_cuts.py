"""Exact cuts: exactly k survive, ties by lowest index, streamed equal to sorted."""

import numpy as np
import pytest
import torch

from merger.counts import BlockCounts
from merger.cuts import (
    ALL,
    EVERYTHING,
    NOTHING,
    Cut,
    cut_of,
    cut_there,
    keep_count,
    stream_cuts,
    survives,
)

TIED = np.array([3, 1, 2, 2, 0, 2, 5, 0], np.float32)


@pytest.mark.parametrize(
    ("density", "entries", "k"),
    [(0.5, 6, 3), (0.29, 100, 28), (0.2, 1, 1), (0.001, 10, 1), (0.0, 10, 0), (1.0, 7, 7),
     (1e-9, 0, 0), (0.999, 3, 2), (-1.0, 3, 0), (2.0, 3, 3)],
)  # fmt: skip
def test_a_share_keeps_its_floor_but_at_least_one(density, entries, k):
    assert keep_count(density, entries) == k


def test_ties_survive_by_lowest_index():
    cut = cut_of(TIED, 4)
    assert cut == Cut(2.0, 3)
    assert survives(TIED, cut, 0).tolist() == [True, False, True, True, *[False] * 2, True, False]


def test_nothing_and_everything():
    assert cut_of(TIED, 0) == NOTHING
    assert cut_of(TIED, 8) == EVERYTHING
    assert not survives(TIED, NOTHING, 0).any()
    assert survives(TIED, EVERYTHING, 0).all()


@pytest.mark.parametrize("k", range(-1, 10))
@pytest.mark.parametrize("magnitudes", [TIED, np.sort(TIED), np.arange(8, dtype=np.float32)])
def test_a_cut_found_on_a_device_is_the_same(k, magnitudes):
    assert cut_there(torch.from_numpy(magnitudes.copy()), k) == cut_of(magnitudes, k)


@pytest.mark.parametrize("k", range(9))
def test_exactly_k_survive_and_blocks_agree_with_the_whole(k):
    cut = cut_of(TIED, k)
    whole = survives(TIED, cut, 0)
    assert whole.sum() == k
    parts = [survives(TIED[a : a + 3], cut, a) for a in (0, 3, 6)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("k", [1, 2, 17, 1999, 50_000, 99_998, 99_999])
@pytest.mark.parametrize("kind", ["plain", "coarse", "sorted", "zeros", "periodic"])
def test_a_sample_finds_the_same_cut_as_a_sort(k, kind):
    values = np.abs(np.random.default_rng(1).standard_normal(100_000)).astype(np.float32)
    if kind == "coarse":
        values = np.round(values * 8) / 8
    if kind == "sorted":
        values = np.sort(values)
    if kind == "zeros":
        values[:95_000] = 0
    if kind == "periodic":
        # What the sample sees says nothing about the rest.
        values[::61] = 1e6
    kept = survives(values, cut_of(values, k), 0)
    expected = np.zeros(100_000, bool)
    expected[np.argsort(-values, kind="stable")[:k]] = True
    assert np.array_equal(kept, expected)


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = np.abs(rng.standard_normal(5000)).astype(np.float32)
    return {
        "normal": normal,
        "coarse": np.round(normal * 4).astype(np.float32) / 4,
        "zeros": np.where(rng.random(5000) < 0.9, 0, normal).astype(np.float32),
        "all equal": np.full(5000, 0.125, np.float32),
        "all zero": np.zeros(5000, np.float32),
        "tiny": (normal * 1e-42).astype(np.float32),
        "wide": np.exp(normal * 15).astype(np.float32),
    }


@pytest.mark.parametrize("name", list(data()))
def test_streamed_cuts_are_those_of_a_sort(name):
    values = data()[name]
    counts = [0, 1, 7, 999, 2500, 4999, 5000]
    passes = []

    def blocks():
        passes.append(1)
        for start in range(0, 5000, 333):
            yield start, np.stack([values[start : start + 333], values[::-1][start : start + 333]])

    found = stream_cuts(BlockCounts(blocks), 5000, [counts, [2500]])
    assert len(passes) <= 3
    for k in counts:
        assert found[0][k] == cut_of(values, k)
        order = np.argsort(-values.astype(np.float64), kind="stable")
        expected = np.zeros(5000, bool)
        expected[order[:k]] = True
        assert np.array_equal(survives(values, found[0][k], 0), expected)
    assert found[1] == {2500: cut_of(np.ascontiguousarray(values[::-1]), 2500)}


def test_no_pass_is_made_where_nothing_is_to_be_ranked():
    def blocks():
        raise AssertionError("read")

    assert stream_cuts(BlockCounts(blocks), 10, [[0, 10]]) == [{0: NOTHING, 10: EVERYTHING}]


def test_a_cut_without_ties_holds_to_the_end():
    assert cut_of(np.array([1, 2, 3], np.float32), 2) == Cut(2.0, ALL)

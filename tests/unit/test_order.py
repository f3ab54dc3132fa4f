"""Places and values in order: by hand, and streamed equal to sorted."""

import numpy as np
import pytest
import torch

from merger.order import order_of, ranks_of, stream_order


def test_places_count_from_the_largest_magnitude_within_each_row():
    stack = torch.tensor([[1.0, -4.0, 3.0, 0.5, 0.0, -9.0]])
    assert ranks_of(stack, 3).tolist() == [[2, 0, 1, 1, 2, 0]]
    assert ranks_of(stack, 6).tolist() == [[3, 1, 2, 4, 5, 0]]
    assert ranks_of(stack, 1).tolist() == [[0] * 6]


def test_of_equal_magnitudes_the_first_comes_first():
    assert ranks_of(torch.tensor([[2.0, -2.0, 0.0, 2.0, 0.0]]), 5).tolist() == [[0, 1, 3, 2, 4]]
    assert ranks_of(torch.zeros(2, 40), 40).tolist() == [list(range(40))] * 2


def test_values_at_places_of_the_ascending_order():
    rows = np.array([[3.0, -1.0, 2.0, 2.0], [0.0, 5.0, -5.0, 1.0]], np.float32)
    found = order_of(rows, [0, 1, 3])
    assert [found[p].tolist() for p in (0, 1, 3)] == [[-1, -5], [2, 0], [3, 5]]
    assert order_of(rows, []) == {}


@pytest.mark.parametrize("seed", range(4))
def test_streamed_values_are_those_of_a_sort(seed):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(0, 1, (3, 999)) * 10.0 ** rng.integers(-30, 30, (3, 999))).astype("f4")
    rows[:, ::7] = 0.0
    rows[:, 1::7] = -0.0
    rows[1] = np.round(rng.normal(0, 2, 999))
    places = [0, 1, 17, 499, 500, 700, 997, 998]
    parts = lambda: (rows[:, a : a + 100] for a in range(0, 999, 100))  # noqa: E731
    streamed, whole = stream_order(parts, 3, places), order_of(rows, places)
    for place in places:
        assert np.array_equal(streamed[place], whole[place])

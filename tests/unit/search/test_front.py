"""The front of points, against every pair compared by hand; areas counted on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merger.errors import MergeError
from merger.search.front import front, hypervolume, knee, ranks, stairs

SENSES = st.lists(st.booleans(), min_size=1, max_size=4)


@st.composite
def clouds(draw):
    """Few different values, so that ties and equal points are common."""
    senses = draw(SENSES)
    value = st.sampled_from([0.0, 0.25, 0.5, 1.0, float("nan")])
    rows = st.lists(st.tuples(*[value] * len(senses)), max_size=12)
    return np.array(draw(rows), np.float64).reshape(-1, len(senses)), senses


def beats(a, b, senses):
    signs = [1 if up else -1 for up in senses]
    better = [s * x > s * y for x, y, s in zip(a, b, signs, strict=True)]
    worse = [s * x < s * y for x, y, s in zip(a, b, signs, strict=True)]
    return any(better) and not any(worse)


@settings(deadline=None)
@given(clouds())
def test_the_front_holds_exactly_the_points_that_no_other_beats(cloud):
    points, senses = cloud
    known = [p for p in points if not np.isnan(p).any()]
    expected = [
        not np.isnan(p).any() and not any(beats(q, p, senses) for q in known) for p in points
    ]
    assert front(points, senses).tolist() == expected


@settings(deadline=None)
@given(clouds())
def test_each_rank_is_the_front_of_what_the_ranks_before_left(cloud):
    points, senses = cloud
    rank = ranks(points, senses)
    assert ((rank == 0) == np.isnan(points).any(1)).all()
    for level in range(1, rank.max(initial=0) + 1):
        left = points[rank >= level]
        assert (front(left, senses) == (rank[rank >= level] == level)).all()


def test_equal_points_share_the_front():
    points = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert front(points, (True, True)).tolist() == [True, True, False]


def test_lower_is_better_turns_the_front_around():
    points = np.array([[1.0, 5.0], [2.0, 4.0], [2.0, 6.0]])
    assert front(points, (True, False)).tolist() == [False, True, False]


def test_the_area_of_two_steps_is_counted_by_hand():
    points = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 0.5]])
    assert hypervolume(points, (True, True), (0.0, 0.0)) == 3.0 * 1.0 + 1.0 * 1.0
    assert hypervolume(points, (True, True), (1.0, 0.0)) == 2.0


def test_the_area_counts_downwards_where_less_is_better():
    # bits per byte 2 → reference 3, accuracy 0.5 → reference 0.2
    assert hypervolume(np.array([[2.0, 0.5]]), (False, True), (3.0, 0.2)) == pytest.approx(0.3)


def test_points_behind_the_reference_add_no_area():
    points = np.array([[0.5, 5.0], [np.nan, 9.0]])
    assert hypervolume(points, (True, True), (1.0, 0.0)) == 0.0
    assert hypervolume(np.empty((0, 2)), (True, True), (0.0, 0.0)) == 0.0


def test_areas_of_three_objectives_are_refused_in_words():
    with pytest.raises(MergeError, match="for 2 objectives, got 3"):
        hypervolume(np.zeros((1, 3)), (True,) * 3, (0, 0, 0))


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=10))
def test_the_area_is_the_number_of_unit_squares_below_the_front(points):
    covered = {(i, j) for x, y in points for i in range(x) for j in range(y)}
    cloud = np.array(points, np.float64)
    assert hypervolume(cloud, (True, True), (0.0, 0.0)) == len(covered)


def test_the_stairs_turn_where_the_front_does():
    points = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 0.0]])
    assert stairs(points, (True, True)).tolist() == [[1, 2], [1, 1], [3, 1]]
    lower = np.array([[1.0, 1.0], [3.0, 2.0]])
    assert stairs(lower, (False, True)).tolist() == [[3, 2], [3, 1], [1, 1]]


def test_points_of_another_width_are_a_mistake_of_ours():
    with pytest.raises(ValueError, match=r"points must be \(n, 2\)"):
        front(np.zeros((3, 1)), (True, True))


def test_the_knee_is_the_point_farthest_above_the_line_between_the_ends():
    # Shares of the spans: (0, 1), (0.8, 0.75), (0.9, 0.25), (1, 0); sums 1, 1.55, 1.15, 1.
    points = np.array([[0.0, 8.0], [80.0, 6.0], [90.0, 2.0], [100.0, 0.0], [50.0, 5.0]])
    assert knee(points, (True, True)) == 1
    assert knee(points * [1.0, -1.0], (True, False)) == 1
    assert knee(points * [-1000.0, 1.0], (False, True)) == 1


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[1.0, 1.0]],
        [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]],  # two places
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]],  # a straight line
        [[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]],  # bends inward
        [[0.0, 1.0], [0.9, float("nan")], [1.0, 0.0]],  # nobody knows where one lies
    ],
)
def test_a_front_that_does_not_bulge_has_no_knee(points):
    assert knee(np.array(points, np.float64).reshape(-1, 2), (True, True)) is None


def test_a_knee_takes_two_objectives():
    with pytest.raises(ValueError, match="2 objectives, got 3"):
        knee(np.zeros((4, 3)), (True,) * 3)

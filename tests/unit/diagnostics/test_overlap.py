from itertools import combinations, product

import numpy as np
import pytest

from merger.diagnostics.overlap import SupportMeter, measure_overlap, support_size
from merger.errors import FeedError
from tests.stacks import random_stack, stack_of


def test_jaccard_by_hand():
    stack = stack_of([{"w": [9.0, -8.0, 1.0, 0.0]}, {"w": [0.0, -8.0, 7.0, 1.0]}])
    info = measure_overlap(stack, 0.5)
    assert info.sizes.tolist() == [2.0, 2.0]
    assert info.jaccard.value.tolist() == [[1.0, 1 / 3], [1 / 3, 1.0]]


def test_exactly_k_and_ties_go_to_the_lowest_index():
    meter = SupportMeter(stack_of([{"w": [1.0, -2.0, 1.0, 1.0, -1.0, 3.0]}]))
    assert np.flatnonzero(meter.support(0, 0.5)).tolist() == [0, 1, 5]
    assert np.flatnonzero(meter.support(0, 4 / 6)).tolist() == [0, 1, 2, 5]


def test_supports_are_those_of_a_stable_sort():
    stack = random_stack(2, sparse=0.5)
    stack.tau[:] = stack.tau.round(1)
    meter = SupportMeter(stack)
    for share in (0.01, 0.2, 0.5, 0.9, 1.0):
        k = support_size(share, stack.tau.shape[1])
        want = np.sort(np.argsort(-np.abs(stack.tau[1]), kind="stable")[:k])
        assert np.array_equal(np.flatnonzero(meter.support(1, share)), want)


def test_per_tensor_supports_take_the_share_of_each_tensor():
    stack = stack_of([{"a": [1.0, 2.0, 3.0, 4.0], "b": [10.0, 20.0, 30.0, 40.0]}])
    whole, each = SupportMeter(stack), SupportMeter(stack, "tensor")
    assert np.flatnonzero(whole.support(0, 0.5)).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(each.support(0, 0.5)).tolist() == [2, 3, 6, 7]


@pytest.mark.parametrize(("share", "k"), [(0.0, 0), (1e-9, 1), (0.29, 28), (1.0, 100), (0.5, 50)])
def test_support_size_is_the_floor_but_one_at_least(share, k):
    assert support_size(share, 100) == k


def test_null_is_the_mean_over_every_placement_inside_tensors():
    stack = stack_of(
        [
            {"a": [5.0, 4.0, 0.1, 0.2, 0.3], "b": [3.0, 0.0, 0.0]},
            {"a": [0.1, 4.0, 0.0, 0.0, 0.0], "b": [3.0, 2.0, 0.0]},
        ]
    )
    info = measure_overlap(stack, 3 / 8)
    ours = {0, 1, 5}
    seen = []
    for x, y in product(combinations(range(5), 1), combinations(range(5, 8), 2)):
        theirs = {*x, *y}
        seen.append(len(ours & theirs) / len(ours | theirs))
    assert info.jaccard.value[0, 1] == 2 / 4
    assert info.jaccard.null[0, 1] == pytest.approx(np.mean(seen))
    assert info.jaccard.half[0, 1] == pytest.approx(1.959964 * np.std(seen))


def test_null_of_large_supports_agrees_with_shuffling():
    shapes = {"a": (60, 40), "b": (30, 20)}
    stack = random_stack(2, shapes)
    stack.tau[:, :2400] *= 3  # both experts change `a` most: alike without any shared weight
    info = measure_overlap(stack, 0.3)
    meter = SupportMeter(stack)
    first, second = meter.support(0, 0.3), meter.support(1, 0.3)
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(300):
        moved = np.concatenate([rng.permutation(second[:2400]), rng.permutation(second[2400:])])
        seen.append((first & moved).sum() / (first | moved).sum())
    assert info.jaccard.null[0, 1] == pytest.approx(np.mean(seen), abs=0.002)
    assert info.jaccard.half[0, 1] == pytest.approx(1.96 * np.std(seen), rel=0.15)
    assert abs(info.jaccard.value[0, 1] - info.jaccard.null[0, 1]) < 1.5 * info.jaccard.half[0, 1]


def test_overlap_ignores_signs_and_positive_scale():
    stack = random_stack(3, shared=0.5)
    other = type(stack)(stack.base, stack.tau * np.float32(-2), stack.names, stack.slots)
    assert measure_overlap(stack) == measure_overlap(other)


def test_everything_overlaps_and_nothing_does_not():
    stack = random_stack(2)
    assert measure_overlap(stack, 1.0).jaccard.value[0, 1] == 1.0
    assert np.isnan(measure_overlap(stack, 0.0).jaccard.value[0, 1])


def test_a_share_is_between_0_and_1():
    with pytest.raises(FeedError, match="between 0 and 1, got 1.5"):
        measure_overlap(random_stack(2), 1.5)


def test_sampled_overlap_holds_the_truth():
    shapes = {"layers.0.mlp.up_proj.weight": (400, 64), "norm.weight": (10,)}
    exact = measure_overlap(random_stack(2, shapes, shared=1.0)).jaccard.value[0, 1]
    hits = 0
    for draw in range(20):
        info = measure_overlap(random_stack(2, shapes, shared=1.0, sample=0.05, draw=draw))
        assert info.half_width[0, 1] > 0
        hits += abs(info.jaccard.value[0, 1] - exact) <= info.half_width[0, 1]
    assert hits >= 16

import numpy as np
import pytest

from merger.diagnostics.cosine import CosineInfo, cosine_of, measure_cosine, weighted_cosine
from tests.stacks import random_stack, stack_of


def test_cosines_by_hand():
    info = measure_cosine(stack_of([{"a": [3.0, 0.0], "b": [4.0]}, {"a": [0.0, 2.0], "b": [2.0]}]))
    c = 8 / (5 * np.sqrt(8))
    assert info == CosineInfo(
        ("e0", "e1"),
        info.cosine,
        np.array([[25.0, 8.0], [8.0, 8.0]]),
        np.zeros((2, 2)),
    )
    assert info.cosine == pytest.approx(np.array([[1.0, c], [c, 1.0]]))


def test_an_expert_that_equals_the_base_has_no_direction():
    cosine = cosine_of(np.array([[4.0, 0.0], [0.0, 0.0]]))
    assert cosine[0, 0] == 1.0
    assert np.isnan(cosine[1, 1]) and np.isnan(cosine[0, 1])


def test_positive_weights_leave_cosines_and_a_negative_one_turns_a_row():
    stack = random_stack(3, shared=0.5)
    info = measure_cosine(stack)
    assert weighted_cosine(info, [0.1, 2.0, 5.0]).cosine.tolist() == info.cosine.tolist()
    turned = weighted_cosine(info, [-1.0, 1.0, 1.0]).cosine
    assert turned[0, 1] == -info.cosine[0, 1] and turned[1, 2] == info.cosine[1, 2]
    assert turned[0, 0] == 1.0


def test_sampled_cosines_come_with_a_width_that_holds_the_truth():
    shapes = {"layers.0.mlp.up_proj.weight": (400, 64), "norm.weight": (10,)}
    exact = measure_cosine(random_stack(2, shapes, shared=0.6)).cosine[0, 1]
    hits = 0
    for seed in range(20):
        info = measure_cosine(random_stack(2, shapes, shared=0.6, sample=0.05, draw=seed))
        assert info.half_width[0, 1] > 0 and info.half_width[0, 0] == 0
        hits += abs(info.cosine[0, 1] - exact) <= info.half_width[0, 1]
    assert hits >= 17

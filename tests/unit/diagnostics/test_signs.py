from itertools import product

import numpy as np
import pytest

from merger.diagnostics.signs import measure_signs
from tests.stacks import random_stack, stack_of

TINY = [
    {"layers.0.mlp.up_proj.weight": [1.0, -2.0, 0.0, 3.0], "norm.weight": [1.0, 0.0]},
    {"layers.0.mlp.up_proj.weight": [2.0, 1.0, 0.0, 1.0], "norm.weight": [-4.0, 0.0]},
    {"layers.0.mlp.up_proj.weight": [1.0, 1.0, 0.0, 0.0], "norm.weight": [0.0, 5.0]},
]


def test_rate_and_mass_by_hand():
    info = measure_signs(stack_of(TINY))
    # moved: 3 of 4 and 2 of 2 entries; conflicts: the second of `up`, the first of `norm`
    assert info.rate.value == 2 / 5
    assert info.mass.value == (4 + 5) / (4 + 4 + 4 + 5 + 5)
    # chance: three experts 3/4, two 1/2, one 0
    assert info.rate.null == pytest.approx((0.75 + 0.75 + 0.5 + 0.5 + 0.0) / 5)
    assert info.mass.null == pytest.approx((0.75 * 4 + 0.75 * 4 + 0.5 * 4 + 0.5 * 5) / 22)


def test_cells_and_layers_by_hand():
    info = measure_signs(stack_of(TINY))
    assert info.grid.layers == ("out", "0") and info.grid.modules == ("norm", "up")
    assert info.cells.value[0, 0] == 1 / 2 and info.cells.value[1, 1] == pytest.approx(1 / 3)
    assert np.isnan(info.cells.value[0, 1])
    assert info.layers.value.tolist() == pytest.approx([1 / 2, 1 / 3])


def test_pairs_are_the_same_measure_on_two_experts():
    stack = random_stack(4, sparse=0.3, shared=0.4)
    info = measure_signs(stack)
    for i, j in ((0, 1), (1, 3), (2, 3)):
        turned = np.zeros(4)
        turned[[i, j]] = 1.0
        pair = measure_signs(stack, turned).rate
        assert info.pairwise.value[i, j] == pytest.approx(float(pair.value))
        assert info.pairwise.null[i, j] == pytest.approx(float(pair.null))
        assert info.pairwise.half[i, j] == pytest.approx(float(pair.half))


def test_joint_conflict_weighs_entries_by_both_magnitudes():
    info = measure_signs(stack_of([{"w": [2.0, -1.0, 3.0]}, {"w": [1.0, 4.0, 0.0]}]))
    assert info.joint.value[0, 1] == pytest.approx(4 / 6)
    assert info.joint.null[0, 1] == 0.5
    assert info.joint.half[0, 1] == pytest.approx(1.959964 * np.sqrt(4 + 16) / 2 / 6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_null_is_the_mean_over_every_pattern_of_signs(n):
    rng = np.random.default_rng(n)
    tau = rng.standard_normal((n, 3)).round(1)
    tau[0, 0] = 0.0
    rates, masses = [], []
    for pattern in product((1, -1), repeat=tau.size):
        flipped = tau * np.reshape(pattern, tau.shape)
        info = measure_signs(stack_of([{"w": row} for row in flipped]))
        rates.append(float(info.rate.value))
        masses.append(float(info.mass.value))
    info = measure_signs(stack_of([{"w": row} for row in tau]))
    assert info.rate.null == pytest.approx(np.mean(rates), nan_ok=True)
    assert info.mass.null == pytest.approx(np.mean(masses), rel=1e-5)
    assert info.rate.half == pytest.approx(1.959964 * np.std(rates), rel=1e-5, abs=1e-9)
    assert info.mass.half == pytest.approx(1.959964 * np.std(masses), rel=1e-5, abs=1e-7)


def test_random_signs_fall_inside_the_band_about_as_often_as_promised():
    stack = random_stack(3, sparse=0.2)
    inside = 0
    rng = np.random.default_rng(7)
    for _ in range(100):
        signs = rng.integers(0, 2, stack.tau.shape) * 2 - 1
        info = measure_signs(_with_tau(stack, stack.tau * signs))
        inside += info.rate.excess == 0
    assert 88 <= inside <= 100


def test_turning_every_expert_round_changes_nothing():
    stack = random_stack(3, shared=0.5)
    assert measure_signs(stack) == measure_signs(stack, [-1.0, -1.0, -1.0])
    assert measure_signs(stack) == measure_signs(stack, [0.3, 2.0, 1e9])


def test_a_negative_weight_turns_conflict_into_agreement():
    stack = stack_of([{"w": [1.0, 2.0]}, {"w": [-1.0, -3.0]}])
    assert measure_signs(stack).rate.value == 1.0
    turned = measure_signs(stack, [1.0, -1.0])
    assert turned.rate.value == 0.0 and turned.pairwise.value[0, 1] == 0.0


def test_an_expert_with_weight_zero_is_left_out():
    stack = random_stack(3, sparse=0.2)
    info = measure_signs(stack, [1.0, 1.0, 0.0])
    assert info.rate.value == info.pairwise.value[0, 1]
    assert np.isnan(info.pairwise.value[0, 2])


def test_one_expert_has_no_conflict():
    info = measure_signs(random_stack(1))
    assert info.rate.value == 0.0 and info.rate.null == 0.0 and info.rate.half == 0.0


def test_experts_that_equal_the_base_have_no_rate():
    assert np.isnan(measure_signs(stack_of([{"w": [0.0]}, {"w": [0.0]}])).rate.value)


def test_experts_with_a_common_part_conflict_less_than_chance():
    info = measure_signs(random_stack(3, shared=1.0))
    assert info.rate.excess < 0
    assert info.joint.excess[0, 1] < 0


def test_sampled_rate_holds_the_truth():
    shapes = {"layers.0.mlp.up_proj.weight": (400, 64), "norm.weight": (10,)}
    exact = measure_signs(random_stack(3, shapes, shared=0.5)).rate.value
    hits = 0
    for seed in range(20):
        info = measure_signs(random_stack(3, shapes, shared=0.5, sample=0.05, draw=seed))
        assert info.half_width > 0
        hits += abs(info.rate.value - exact) <= info.half_width
    assert hits >= 17


def _with_tau(stack, tau):
    return type(stack)(stack.base, tau.astype(np.float32), stack.names, stack.slots)

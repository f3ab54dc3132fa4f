from itertools import product

import numpy as np
import pytest

from merger.diagnostics.cancelled import CancelledMeter, measure_cancelled, sign_patterns
from tests.stacks import random_stack, stack_of


def test_mass_by_hand():
    stack = stack_of([{"a": [1.0, -2.0], "b": [3.0]}, {"a": [1.0, 1.0], "b": [-3.0]}])
    info = measure_cancelled(stack)
    assert info.mass.value == pytest.approx(1 - (2 + 1 + 0) / (2 + 3 + 6))
    weighted = measure_cancelled(stack, [1.0, 2.0])
    assert weighted.mass.value == pytest.approx(1 - (3 + 0 + 3) / (3 + 4 + 9))
    assert weighted.cells.value.ravel() == pytest.approx([1 - 3 / 7, 1 - 3 / 9])


def test_weights_that_change_with_depth_are_taken_per_tensor():
    stack = stack_of([{"a": [1.0], "b": [2.0]}, {"a": [-1.0], "b": [-2.0]}])
    info = measure_cancelled(stack, np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert info.mass.value == pytest.approx(1 - (0 + 2) / (2 + 2))


def test_only_the_proportions_of_weights_count():
    meter = CancelledMeter(random_stack(3))
    small, huge = meter.measure([0.5, 1.0, 0.25]), meter.measure([5e30, 1e31, 2.5e30])
    assert huge.mass.value == pytest.approx(float(small.mass.value))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_null_is_the_mean_over_every_pattern_of_signs(n):
    rng = np.random.default_rng(n)
    tau = rng.standard_normal((n, 3)).round(2).astype(np.float32)
    weights = np.array([1.0, 0.5, 2.0, 0.1][:n])
    seen = []
    for pattern in product((1, -1), repeat=tau.size):
        flipped = tau * np.reshape(pattern, tau.shape)
        heavy = weights[:, None] * flipped
        seen.append(1 - np.abs(heavy.sum(0)).sum() / np.abs(heavy).sum())
    info = measure_cancelled(stack_of([{"w": row} for row in tau]), weights)
    assert info.mass.null == pytest.approx(np.mean(seen), abs=1e-6)
    assert info.mass.half == pytest.approx(1.959964 * np.std(seen), abs=1e-5)


def test_null_on_some_coordinates_agrees_with_flipping_all_of_them():
    stack = random_stack(3, {"layers.0.mlp.up_proj.weight": (300, 200)}, sparse=0.3)
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(20):
        tau = stack.tau * (rng.integers(0, 2, stack.tau.shape) * 2 - 1)
        seen.append(1 - np.abs(tau.sum(0)).sum() / np.abs(tau).sum())
    null = measure_cancelled(stack).mass
    assert null.half < 0.01
    assert all(abs(s - null.null) < null.half * 1.5 for s in seen)


def test_more_than_eight_experts_get_a_seeded_null():
    stack = random_stack(10)
    meter = CancelledMeter(stack, seed=4)
    first = meter.measure()
    assert first == meter.measure()
    # ten equal normal contributions: E|Σ| / Σ E| | = 1 / √10
    assert first.mass.null == pytest.approx(1 - 10**-0.5, abs=0.02)


def test_turning_every_expert_round_changes_nothing():
    meter = CancelledMeter(random_stack(3))
    assert meter.measure([-1.0, -1.0, -1.0]).mass == meter.measure([1.0, 1.0, 1.0]).mass


def test_one_expert_loses_nothing_and_no_weights_have_no_mass():
    meter = CancelledMeter(random_stack(2))
    assert meter.measure([1.0, 0.0]).mass.value == 0.0
    assert np.isnan(meter.measure([0.0, 0.0]).mass.value)


def test_patterns_list_every_choice_once():
    assert len({tuple(row) for row in sign_patterns(5)}) == 16
    assert (sign_patterns(5)[:, 0] == 1).all()

"""Averages over the checkpoints of runs: windows, moving averages, weights by metric."""

import pytest
import torch

from merger.errors import RecipeError
from merger.memory import merge_tensors

# 1, 2, 4, 8: every mean says which checkpoints it holds.
SNAPSHOTS = [{"w": torch.tensor([float(2**i), 0.0])} for i in range(4)]


def averaged(name: str, **params) -> float:
    return merge_tensors(name, SNAPSHOTS, None, params)["w"][0].item()


def test_checkpoint_averaging_is_the_mean_of_the_last_ones():
    assert averaged("checkpoint_average") == averaged("average") == 3.75
    assert averaged("checkpoint_average", last=1) == 8
    assert averaged("checkpoint_average", last=2) == 6
    assert averaged("checkpoint_average", last=9) == 3.75


def test_averaging_runs_and_their_checkpoints_in_one_go_is_the_mean_of_their_means():
    runs = [SNAPSHOTS[:2], SNAPSHOTS[2:]]
    means = [merge_tensors("checkpoint_average", run)["w"] for run in runs]
    assert (means[0] + means[1])[0].item() / 2 == averaged("checkpoint_average")


def test_a_moving_average_fades_what_came_first():
    # ((1·½ + 2·½)·½ + 4·½)·½ + 8·½
    assert averaged("ema") == 5.375
    assert averaged("ema", decay=0.0) == 8
    assert averaged("ema", decay=1.0) == 1


def test_a_moving_average_depends_on_the_order():
    turned = merge_tensors("ema", SNAPSHOTS[::-1])["w"][0].item()
    assert turned == pytest.approx(0.125 * 8 + 0.125 * 4 + 0.25 * 2 + 0.5 * 1)


def test_mwa_weighs_by_the_inverse_of_the_loss():
    # Weights 1/1, 1/2, 1/4, 1/4 over their sum 2.
    found = averaged("mwa", metric=[1.0, 2.0, 4.0, 4.0])
    assert found == pytest.approx((1 + 2 / 2 + 4 / 4 + 8 / 4) / 2)


def test_mwa_weighs_by_the_step():
    found = averaged("mwa", by="step", metric=[100.0, 200.0, 300.0, 400.0])
    assert found == pytest.approx((1 * 1 + 2 * 2 + 4 * 3 + 8 * 4) / 10)


def test_mwa_without_penalty_or_with_equal_losses_is_the_average():
    assert averaged("mwa", metric=[1.0, 2.0, 3.0, 4.0], penalty=0.0) == 3.75
    assert averaged("mwa") == averaged("mwa", metric=[0.0] * 4) == 3.75
    assert averaged("mwa", by="step", metric=[0.0] * 4) == 3.75


def test_mwa_with_a_large_penalty_is_the_best_checkpoint():
    assert averaged("mwa", metric=[2.0, 1e-20, 3.0, 4.0], penalty=10.0) == 2
    assert averaged("mwa", by="step", metric=[0.0, 1.0, 2.0, 3.0], penalty=200.0) == 8


def test_mwa_leaves_something_for_others_where_a_loss_is_not_positive():
    # Moved up by 1.04: losses 0.04, 1.04, 2.04, 4.04.
    losses = [0.04, 1.04, 2.04, 4.04]
    found = averaged("mwa", metric=[-1.0, 0.0, 1.0, 3.0])
    scores = [1 / loss for loss in losses]
    expected = sum(2**i * s for i, s in enumerate(scores)) / sum(scores)
    assert found == pytest.approx(expected, rel=1e-6)


def test_mwa_refuses_a_negative_step():
    with pytest.raises(RecipeError, match="mwa: metric must hold steps of 0 or more, got -1"):
        averaged("mwa", by="step", metric=[-1.0, 1.0, 2.0, 3.0])


def test_salsa_mixes_two():
    assert averaged("salsa") == 1.5
    assert averaged("salsa", t=0.25) == 1.25

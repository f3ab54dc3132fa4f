"""Shared verbs over stacked task vectors, by hand."""

import pytest
import torch

from merger.algebra import (
    add_update,
    combine_agreeing,
    divisor,
    drop,
    elect_sign,
    keep,
    mean,
    total,
    votes,
    weighted_total,
)
from merger.errors import RecipeError

TAU = torch.tensor([[1.0, -2.0, 3.0, 0.0], [2.0, 1.0, -3.0, 0.0], [-4.0, 0.0, 0.0, 0.0]])


def refuse():
    raise AssertionError("asked for a majority where nothing cancels")


def test_sums_go_expert_by_expert():
    stack = torch.tensor([[1e8], [1.0], [-1e8]])
    assert total(stack).item() == 0.0
    assert total(stack[:1]).item() == 1e8
    assert mean(TAU).tolist() == pytest.approx([-1 / 3, -1 / 3, 0, 0])
    assert weighted_total(TAU, [1.0, 0.5, 2.0]).tolist() == [-6, -1.5, 1.5, 0]


def test_a_sum_does_not_write_into_what_it_adds():
    before = TAU.clone()
    total(TAU[:1]).add_(1)
    total(TAU)
    assert torch.equal(TAU, before)


def test_coefficients_that_add_up_to_nothing_cannot_be_normalised():
    assert divisor([1.0, 2.0]) == 3.0
    with pytest.raises(RecipeError, match="must not add up to 0 .* got 1, -1"):
        divisor([1.0, -1.0])


def test_keep_sets_the_rest_to_zero():
    cut = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1]])
    assert keep(TAU, cut).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [-4, 0, 0, 0]]


def test_votes_weigh_by_size_or_count_heads():
    assert votes(TAU).tolist() == [-1, -1, 0, 0]
    assert votes(TAU, "count").tolist() == [1, 0, 0, 0]


def test_where_votes_cancel_the_majority_decides():
    assert elect_sign(TAU, tie="drop").tolist() == [-1, -1, 0, 0]
    assert elect_sign(TAU, tie="plus").tolist() == [-1, -1, 1, 1]
    assert elect_sign(TAU, tie="majority", majority=lambda: -1.0).tolist()[2] == -1


def test_the_majority_is_asked_for_only_where_votes_cancel():
    assert elect_sign(TAU[:, [0, 1, 3]], majority=refuse).tolist() == [-1, -1, 0]


def test_only_values_with_the_elected_sign_are_combined():
    sign = torch.tensor([1.0, -1.0, 0.0, 1.0])
    assert combine_agreeing(TAU, sign, "sum").tolist() == [3, -2, 0, 0]
    assert combine_agreeing(TAU, sign, "mean").tolist() == [1.5, -2, 0, 0]
    assert combine_agreeing(TAU, sign, "max").tolist() == [2, -2, 0, 0]
    assert combine_agreeing(TAU, sign, "weighted", [0.5, 1, 1]).tolist() == [2, -4, 0, 0]


def test_a_weighted_divisor_of_exactly_zero_counts_as_one():
    assert combine_agreeing(TAU, torch.ones(4), "weighted", [1, -1, 1]).tolist()[0] == 3


def test_dropping_keeps_what_was_drawn_below_the_density():
    draws = torch.tensor([[0.1, 0.9, 0.49, 0.2]] * 3)
    assert drop(TAU, draws, 0.5, "inverse")[0].tolist() == [2, 0, 6, 0]
    assert drop(TAU, draws, 0.5, "none")[0].tolist() == [1, 0, 3, 0]
    assert drop(TAU, draws, 0.5, "l1")[0].tolist() == [1.5, 0, 4.5, 0]


def test_dropping_everything_leaves_zeros():
    draws = torch.rand(3, 4)
    for rescale in ("inverse", "l1", "none"):
        assert not drop(TAU, draws, 0.0, rescale).any()
    density = torch.tensor([[0.0], [1.0], [0.0]])
    assert drop(TAU, draws, density, "inverse").tolist() == [[0] * 4, TAU[1].tolist(), [0] * 4]


def test_adding_no_update_keeps_every_bit_of_the_base():
    base = torch.tensor([-0.0, 0.0, 1.5, -0.0, 0.0, 1e-45])
    update = torch.tensor([0.0, -0.0, -0.0, -0.0, 0.0, 0.0])
    assert torch.equal(add_update(base, update).view(torch.int32), base.view(torch.int32))
    assert add_update(base, torch.ones(6)).tolist() == [1, 1, 2.5, 1, 1, 1]

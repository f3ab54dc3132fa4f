"""Factors are chosen on one half of the examples and reported on the other."""

import numpy as np
import pytest

from merger.recipe import Depth, Expert, Recipe, Rule
from merger.tasks.base import Outcomes
from merger.training.tuning import can_halve, cross_tuned, halves, scaled, setting_of, tuned_knob
from tests.unit.training.pieces import bits, first, quiz, right

EXPERTS = (Expert("zoo:a", "a"), Expert("zoo:b", "b"))


def recipe(method: str = "task_arithmetic", **more) -> Recipe:
    return Recipe(method, EXPERTS, base="zoo:base", **more)


def test_the_scale_is_multiplied_where_a_method_has_one() -> None:
    plain = recipe(params={"scale": 0.4}, rules=(Rule("*.mlp.*", params={"scale": 0.2}),))
    assert tuned_knob(plain) == "scale" and setting_of(plain) == "scale 0.4"
    half = scaled(plain, 0.5)
    assert half is not None and half.params["scale"] == 0.2
    assert half.rules[0].params["scale"] == 0.1


def test_a_scale_that_changes_with_depth_keeps_its_shape() -> None:
    deep = recipe(params={"scale": Depth((0.2, 0.4))})
    assert setting_of(deep) == "scale [0.2 0.4]"
    twice = scaled(deep, 2.0)
    assert twice is not None and twice.params["scale"] == Depth((0.4, 0.8))


def test_coefficients_are_multiplied_where_a_method_has_no_scale() -> None:
    plain = recipe("average", weights=(1.0, 0.5))
    assert tuned_knob(plain) == "weights" and setting_of(plain) == ""
    twice = scaled(plain, 2.0)
    assert twice is not None and twice.weights == (2.0, 1.0)


def test_the_recipe_itself_is_among_those_tried() -> None:
    plain = recipe(params={"scale": 0.4})
    assert scaled(plain, 1.0) is plain


def test_halves_share_no_source_and_are_the_same_every_time() -> None:
    clusters = np.repeat(np.arange(6), 4)
    answers = Outcomes(np.ones(24), np.ones(24), clusters)
    mask = halves(quiz("latin"), answers)
    assert mask.sum() == 12
    assert not set(clusters[mask]) & set(clusters[~mask])
    assert np.array_equal(mask, halves(quiz("latin"), answers))


def test_one_example_cannot_be_halved() -> None:
    task = quiz("latin")
    assert can_halve([task], {"latin": first(1, 2)})
    assert not can_halve([task], {"latin": first(1, 1)})


def test_each_half_is_answered_with_the_factor_that_is_best_on_the_other() -> None:
    task = quiz("latin")
    mask = halves(task, first(0))
    # One factor is right on the first half only, the other on the second half only.
    one, other = right(*mask.astype(int)), right(*(~mask).astype(int))
    stitched, factors = cross_tuned([task], {
        1.0: {"latin": one}, 2.0: {"latin": other},
    })  # fmt: skip
    # Chosen where they shine, reported where they fail: nothing right at all.
    assert factors == (2.0, 1.0)
    assert stitched["latin"].top.sum() == 0


@pytest.mark.parametrize("costs", [(5.0, 30.0), (30.0, 5.0)])
def test_fewer_bits_are_better(costs: tuple[float, float]) -> None:
    task = quiz("text", "bits_per_byte")
    answers = {1.0: {"text": bits(*[costs[0]] * 8)}, 2.0: {"text": bits(*[costs[1]] * 8)}}
    stitched, factors = cross_tuned([task], answers)
    best = 1.0 if costs[0] < costs[1] else 2.0
    assert factors == (best, best)
    assert stitched["text"].value == 0.5


def test_of_equal_factors_the_recipes_own_is_kept() -> None:
    task = quiz("latin")
    same = {"latin": first(5)}
    _, factors = cross_tuned([task], {0.5: same, 1.0: same, 3.0: same})
    assert factors == (1.0, 1.0)

"""Dice: the same seed gives the same settings everywhere."""

import pytest

from merger.errors import RecipeError
from merger.recipe import Recipe
from merger.search.dice import LAST_SEED, roll
from merger.search.space import space_of
from merger.spec import METHODS

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]


def recipe(method="ties", names=("a", "b", "c"), **more):
    experts = [{"source": f"zoo:{n}", "name": n} for n in names]
    return Recipe.from_json({"method": method, "base": "zoo:base", "experts": experts, **more})


def by_name(found):
    return dict(zip([e.name for e in found.experts], found.weights, strict=True))


def test_a_seed_throws_the_same_from_wherever_the_sliders_stand():
    here = roll(recipe(), 7)
    there = recipe(weights=[2, {"depth": [0, 1]}, -1], params={"density": 0.9, "scale": 3})
    assert roll(there, 7) == here
    assert roll(recipe(), 7).to_yaml() == here.to_yaml()
    assert roll(recipe(), 8) != here


def test_the_order_of_the_experts_does_not_change_what_each_gets():
    here, there = roll(recipe(), 7), roll(recipe(names=("c", "a", "b")), 7)
    assert by_name(here) == by_name(there)
    assert here.params == there.params


def test_other_experts_and_other_methods_get_other_throws():
    assert by_name(roll(recipe(), 7)) != by_name(roll(recipe(names=("a", "b", "d")), 7))
    assert by_name(roll(recipe(), 7)) != by_name(roll(recipe("dare_linear"), 7))


def test_words_verbs_and_seed_stay():
    here = recipe(params={"trim": "tensor", "density": 0.9}, after=["lines"], seed=3)
    found = roll(here, 1)
    assert (found.after, found.seed, found.params["trim"]) == (here.after, 3, "tensor")
    assert found.params["density"] != 0.9


@pytest.mark.parametrize("seed", [-1, LAST_SEED + 1])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(RecipeError, match="A seed is a whole number"):
        roll(recipe(), seed)


@pytest.mark.parametrize("name", MERGES)
def test_every_method_throws_valid_settings_or_says_why_not(name: str) -> None:
    here = recipe(name)
    try:
        drawn = space_of(here).dimensions
    except RecipeError as error:
        with pytest.raises(RecipeError, match=str(error.message)):
            roll(here, 0)
        return
    found = roll(here, 0)
    assert Recipe.from_yaml(found.to_yaml()) == found
    values = [*found.params.values(), *(found.weights or ())]
    assert len([v for v in values if isinstance(v, int | float)]) >= len(drawn) - 1
    assert found == roll(here, 0)

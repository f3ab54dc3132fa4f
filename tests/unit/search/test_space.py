"""What can be drawn of a recipe, and a sequence of settings that anybody can continue."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from merger.errors import RecipeError
from merger.recipe import Recipe
from merger.search.quasi import draw, shares
from merger.search.space import COEFFICIENTS, Dimension, space_of
from merger.spec import METHODS

MERGES = [m for m in METHODS.values() if m.stage == "merge"]


def recipe(method="ties", n=3, **more):
    experts = [f"zoo:e{i}" for i in range(n)]
    return Recipe.from_json({"method": method, "base": "zoo:base", "experts": experts, **more})


def names(space):
    return [d.name for d in space.dimensions]


def test_sliders_and_coefficients_are_drawn_within_their_tracks():
    space = space_of(recipe())
    assert names(space) == ["density", "scale", "weight:e0", "weight:e1", "weight:e2"]
    density = METHODS["ties"].param("density").knob
    assert (space.dimensions[0].low, space.dimensions[0].high) == density.slider
    assert (space.dimensions[2].low, space.dimensions[2].high) == COEFFICIENTS


def test_curves_over_depth_lists_and_auto_stay_as_they_are():
    space = space_of(
        recipe(params={"density": {"depth": [0.1, 0.5]}}, weights=[1, {"depth": [0, 1]}, 0.5])
    )
    assert names(space) == ["scale", "weight:e0", "weight:e2"]
    drawn = next(draw(space, 0)).recipe
    assert drawn is not None
    plain = drawn.to_json()
    assert plain["params"]["density"] == {"depth": [0.1, 0.5]}
    assert plain["weights"][1] == {"depth": [0, 1]}
    assert names(space_of(recipe("tsv_c", params={"density": None})))[0] == "weight:e0"


def test_a_slider_across_zero_is_drawn_on_the_side_where_it_stands():
    scale = space_of(recipe("task_arithmetic")).dimensions[0]
    assert (scale.low, scale.high) == (0.0, 2.0)
    scale = space_of(recipe("task_arithmetic", params={"scale": -0.3})).dimensions[0]
    assert (scale.low, scale.high) == (-1.0, 0.0)


def test_what_has_no_slider_says_so():
    with pytest.raises(RecipeError, match="Average has no slider and no coefficient"):
        space_of(recipe("average"))


def test_whole_numbers_reach_both_ends():
    steps = Dimension("k", 0, 8, whole=True)
    assert {steps.at(i / 900) for i in range(900)} == set(range(9))
    assert all(isinstance(steps.at(s), int) for s in (0.0, 0.5, 0.999))


@pytest.mark.parametrize("method", [m.name for m in MERGES])
def test_every_drawn_recipe_is_valid_and_reads_back(method):
    n = min(METHODS[method].experts[1] or 3, 3)
    start = recipe(method, max(n, 2))
    try:
        space = space_of(start)
    except RecipeError as error:
        assert error.hint
        return
    found = [d.recipe for d in itertools.islice(draw(space, 0), 16)]
    valid = [r for r in found if r is not None]
    assert len(valid) >= 12
    for drawn in valid:
        assert Recipe.from_yaml(drawn.to_yaml()).digest() == drawn.digest()
        assert drawn.method == method and drawn.experts == start.experts
    texts = {r.to_yaml() for r in valid}
    assert len(texts) > 1


def test_a_second_sixty_four_goes_on_where_the_first_ended():
    whole = shares(5, 0, 192, seed=3)
    parts = [shares(5, i, i + 64, seed=3) for i in (0, 64, 128)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.array_equal(shares(5, 70, 75, seed=3), whole[70:75])
    assert not np.array_equal(whole[:64], shares(5, 0, 64, seed=4))


def test_sixty_four_points_put_one_into_every_sixty_fourth_of_each_slider():
    cells = np.sort(np.floor(shares(7, 64, 128) * 64), axis=0)
    assert (cells == np.arange(64)[:, None]).all()


def test_fresh_processes_draw_the_same():
    code = "from merger.search.quasi import shares; print(shares(4, 60, 70, 1).tolist())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert runs[0] == runs[1] == str(shares(4, 60, 70, 1).tolist()) + "\n"


def test_the_key_names_what_stays_and_not_what_is_drawn():
    key = space_of(recipe()).key
    assert key == space_of(recipe(params={"scale": 2.0}, weights=[1, 0.2, 0])).key
    others = [
        recipe("dare_ties"),
        recipe(n=2),
        recipe(params={"trim": "tensor"}),
        recipe(params={"density": {"depth": [0.1, 0.2]}}),
        recipe(weights=[1, {"depth": [0, 1]}, 1]),
        recipe(weights=[1, {"depth": [0, 2]}, 1]),
        recipe(after=["lines"]),
    ]
    keys = {space_of(other).key for other in others}
    assert len(keys) == len(others) and key not in keys

"""Where experts stand along the steps of a curve."""

import pytest

from merger.errors import FeedError
from merger.recipe import Expert, Recipe
from merger.sources import SourceSteps
from merger.training.grid import MOST_STEPS, curve_digest, grid_of

RECIPE = Recipe("average", (Expert("zoo:a", "a"), Expert("zoo:b", "b")), base="zoo:base")


def test_an_expert_stands_at_its_last_checkpoint_that_is_not_later() -> None:
    grid = grid_of([SourceSteps((8, 32), 32), SourceSteps((16, 32, 64), 64)])
    assert grid.steps == (16, 32, 64)
    assert grid.kept == ((8, 16), (32, 32), (32, 64))


def test_an_expert_without_steps_stays_as_it_is() -> None:
    grid = grid_of([SourceSteps((8, 32), 32), SourceSteps()])
    assert grid.kept == ((8, None), (32, None))
    assert [e.step for e in grid.recipe_at(RECIPE, 0).experts] == [8, None]


def test_the_final_checkpoint_is_left_unnamed_in_the_recipe() -> None:
    grid = grid_of([SourceSteps((8, 32), 32), SourceSteps((8, 32), None)])
    assert [e.step for e in grid.recipe_at(RECIPE, 1).experts] == [None, 32]


def test_a_recipe_is_found_on_the_curve_where_all_experts_stand_together() -> None:
    grid = grid_of([SourceSteps((8, 32), 32), SourceSteps((8, 32), 32)])
    assert grid.index_of(grid.recipe_at(RECIPE, 0)) == 0
    assert grid.index_of(RECIPE) == 1
    mixed = Recipe("average", (Expert("zoo:a", "a", 8), Expert("zoo:b", "b")), base="zoo:base")
    assert grid.index_of(mixed) is None and grid.steps_of(mixed) == (8, 32)


def test_long_runs_are_thinned_evenly_in_log2_with_both_ends() -> None:
    grid = grid_of([SourceSteps(tuple(range(1, 1025)), 1024)])
    assert grid.steps[0] == 1 and grid.steps[-1] == 1024 and len(grid.steps) <= MOST_STEPS
    assert grid.steps[:3] == (1, 2, 3)


def test_experts_without_earlier_checkpoints_have_no_curve() -> None:
    for found in ([SourceSteps()], [SourceSteps((8,), 8)]):
        with pytest.raises(FeedError, match="None of these experts has checkpoints"):
            grid_of(found)


def test_a_curve_is_named_by_its_models_and_settings_not_by_the_steps_on_screen() -> None:
    grid = grid_of([SourceSteps((8, 32), 32)] * 2)

    def name(recipe: Recipe, mark: str = "") -> str:
        return curve_digest(recipe, grid, (), "id", lambda e: f"{e.source}{e.step}{mark}")

    at_8 = grid.recipe_at(RECIPE, 0)
    assert name(RECIPE) == name(at_8) and len(name(RECIPE)) == 64
    assert name(RECIPE, "other files") != name(RECIPE)
    halved = Recipe("average", RECIPE.experts, base="zoo:base", weights=(0.5, 1.0))
    assert name(halved) != name(RECIPE)

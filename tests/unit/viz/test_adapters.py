"""What an adapter would keep, asked of the page, is what the one that is written keeps."""

import threading
from pathlib import Path
from typing import Any

import pytest

from merger.diagnostics.energy import EnergyInfo
from merger.errors import FeedError, RecipeError
from merger.jobs.merging import merge_in_background
from merger.recipe import Recipe
from tests.builders import build_llama_family
from viz import adapters
from viz.adapters import adapted, energy_of, of_expert
from viz.catalog import Family, first_recipe, folder_families
from viz.desk import Desk
from viz.outputs import adapter_view
from viz.scene import Scene

DESK = Desk()


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return folder_families([build_llama_family(tmp_path_factory.mktemp("f") / "family")])[0]


def scene(family: Family, recipe: Recipe, **view: Any) -> Scene:
    return DESK.scene(DESK.merge(recipe, family), family, None, None, view)


def written(family: Family, recipe: Recipe, folder: Path, rank: int) -> dict[str, Any]:
    order = {"recipe": recipe.to_json(), "folder": str(folder), "adapter": rank}
    roots = {"roots": [str(family.folder)]}
    return merge_in_background(order | roots, lambda p: None, threading.Event())["adapter"]


@pytest.mark.parametrize("of", ["", "beta"])
def test_the_curve_on_the_page_is_that_of_the_adapter_that_is_written(family, tmp_path, of):
    recipe = first_recipe(family)
    before = energy_of(scene(family, recipe, rank=3, of=of))
    report = written(family, of_expert(recipe, of), tmp_path, 3)
    after = EnergyInfo.from_json(report["curve"])
    assert (before.rank, before.written, after.written) == (3, False, True)
    assert before.whole == pytest.approx(after.whole, abs=1e-6)
    assert before.error == pytest.approx(after.error, abs=1e-3)
    view = adapter_view(report)
    assert view is not None and view["figure"]["meta"]["height"] == 190
    assert [t["name"] for t in view["figure"]["data"]][-1] == "chosen rank"


def test_an_expert_alone_has_a_curve_of_its_own_that_no_slider_moves(family):
    recipe = first_recipe(family)
    doubled = Recipe.from_json(recipe.to_json() | {"weights": [2.0] * len(recipe.experts)})
    alone = energy_of(scene(family, recipe, of="alpha"))
    assert alone == energy_of(scene(family, doubled, of="alpha"))
    assert alone != energy_of(scene(family, recipe))
    assert alone.rank == 16


@pytest.mark.parametrize("rank", [None, 0, -1, 2.5, "8", True, 5000])
def test_a_rank_that_is_none_is_the_usual_one(family, rank):
    assert energy_of(scene(family, first_recipe(family), rank=rank)).rank == 16


def test_no_expert_of_another_name_is_extracted(family):
    with pytest.raises(RecipeError, match="no expert 'nobody'"):
        of_expert(first_recipe(family), "nobody")
    # A view may be left over from other models, and is of the merge then.
    gone = energy_of(scene(family, first_recipe(family), of="nobody"))
    assert gone == energy_of(scene(family, first_recipe(family)))


def test_rules_that_keep_the_base_stay_and_others_go(family):
    data = first_recipe(family).to_json()
    data["rules"] = [{"match": "*norm*", "take": "base"}, {"match": "*q*", "take": "alpha"}]
    alone = of_expert(Recipe.from_json(data), "beta")
    assert [rule.match for rule in alone.rules] == ["*norm*"]
    assert alone.method == "task_arithmetic" and alone.params == {"scale": 1.0}


def test_one_model_per_expert_has_no_curve_but_its_experts_do(family):
    recipe = Recipe.from_json(first_recipe(family).to_json() | {"method": "emr", "params": {}})
    with pytest.raises(FeedError, match="one model per expert"):
        energy_of(scene(family, recipe))
    assert energy_of(scene(family, recipe, of="alpha")).matrices == 14


def test_models_that_take_long_are_left_to_the_job(family, monkeypatch):
    monkeypatch.setattr(adapters, "MOST_WORK", 1)
    with pytest.raises(FeedError, match="not taken apart while you look"):
        energy_of(scene(family, first_recipe(family)))


def test_a_recipe_without_a_base_takes_the_familys(family):
    bare = Recipe("average", first_recipe(family).experts)
    assert adapted(bare, family.base, None).base == family.base
    assert adapted(bare, None, "") is bare
    assert energy_of(scene(family, bare)).matrices == 14


def test_the_card_of_an_older_adapter_has_no_chart(family, tmp_path):
    report = written(family, first_recipe(family), tmp_path, 2)
    view = adapter_view({key: value for key, value in report.items() if key != "curve"})
    assert view is not None and view["figure"] is None and view["rows"]

"""What is foretold of an adapter is what the adapter that is written turns out to be."""

import pytest

from merger.compute import prepare
from merger.models import open_models
from merger.outlook import Outlook, look_ahead, work_of
from merger.recipe import Expert, Recipe
from merger.refactor import merge_to_adapter
from tests.adapters import factors, save_adapter
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return build_llama_family(tmp_path_factory.mktemp("family"), experts=("alpha", "beta"))


def ahead(recipe: Recipe) -> Outlook:
    models = open_models(recipe)
    assert models.base is not None
    prepared = prepare(models.plan, models.base, models.experts)
    return look_ahead(prepared, models.base, models.experts)


@pytest.mark.parametrize("method", ["task_arithmetic", "ties"])
@pytest.mark.parametrize("rank", [1, 5, 40])
def test_a_curve_before_is_the_curve_after(family, tmp_path, method, rank):
    experts = tuple(Expert(f"file:{family}/{name}", name) for name in ("alpha", "beta"))
    recipe = Recipe(method, experts, f"file:{family}/base")
    before = ahead(recipe).at(rank)
    after = merge_to_adapter(recipe, tmp_path / "out", rank).curve
    assert not before.written and after.written and before.impossible == ()
    assert before.ranks.tolist() == after.ranks.tolist()
    assert before.whole == pytest.approx(after.whole, abs=1e-6)
    assert before.by_layer == pytest.approx(after.by_layer, abs=1e-6)
    assert before.kept == pytest.approx(after.kept, abs=1e-6)
    assert before.error == pytest.approx(after.error, abs=1e-3)
    assert before.full_bytes == after.full_bytes and before.kept_whole == after.kept_whole


def test_modules_that_adapters_hold_whole_stay_whole(family, tmp_path):
    q = "model.layers.0.self_attn.q_proj"
    save_adapter(tmp_path / "a", {q: factors(3, 16, 16, 2)})
    recipe = Recipe("task_arithmetic", (Expert(f"lora:{tmp_path}/a", "a"),), f"file:{family}/base")
    found = ahead(recipe)
    assert [change.key for change in found.changes] == [f"{q}.weight"]
    assert found.changes[0].squares.shape == (2,) and found.changes[0].sides == 32
    assert found.at(1).adapter_bytes == 4 * 32


def test_parameters_of_their_own_are_named_before_a_merge_stops_at_them():
    recipe = Recipe("task_arithmetic", (Expert("zoo:mnist", "mnist"),), "zoo:base")
    found = ahead(recipe)
    assert found.impossible == ("embeddings.cls_token", "embeddings.position_embeddings")
    assert len(found.changes) == 12  # no classifier, no pooler


def test_the_work_grows_with_the_shorter_side(family):
    models = open_models(
        Recipe("average", (Expert(f"file:{family}/alpha", "a"),), f"file:{family}/base")
    )
    shapes = [t.shape for t in models.plan.tensors if len(t.shape) == 2]
    assert work_of(models.plan) == sum(a * b * min(a, b) for a, b in shapes)

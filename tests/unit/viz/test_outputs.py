"""Folders with adapters: what is offered, what is refused, and what a job says of its adapter."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from merger.adapted import AdaptedCheckpoint
from merger.checkpoint import FileCheckpoint
from merger.errors import RecipeError, SourceError
from merger.jobs.merging import merge_in_background
from merger.progress import Progress
from merger.recipe import Recipe
from tests.adapters import turn_into_adapters
from tests.builders import build_llama_family
from viz.catalog import Catalog, first_recipe, folder_families
from viz.outputs import adapter_view, check_views, checked_rank
from viz.session import recipe_from_text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_llama_family(tmp_path_factory.mktemp("lora") / "family")
    return turn_into_adapters(folder, {"alpha": 2, "beta": 3})


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "family")


def _tell(folder: Path, **config: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


def _job(folder: Path, tmp_path: Path, recipe: Recipe, **more: object) -> dict:
    payload = {"recipe": recipe.to_json(), "folder": str(tmp_path), "roots": [str(folder)]}

    def quiet(progress: Progress) -> None:
        assert progress.done <= progress.total

    return merge_in_background(payload | more, quiet, threading.Event())


def test_adapters_are_experts_of_their_base_beside_full_models(folder):
    (family,) = folder_families([folder])
    assert family.base == "file:base" and family.refused == ()
    assert [(c.source, c.rank) for c in family.choices] == [
        ("lora:alpha", 2), ("lora:beta", 3), ("file:gamma", None),
    ]  # fmt: skip
    recipe = first_recipe(family)
    assert recipe_from_text(recipe.to_yaml(), Catalog((family,))) == recipe
    assert [e["rank"] for e in family.to_json()["experts"]] == [2, 3, None]


def test_what_cannot_be_used_is_named_with_the_reason_and_hides_nothing(folder):
    _tell(folder / "alpha", use_dora=True)
    (folder / "gamma" / "model.safetensors.index.json").write_text("{")
    (family,) = folder_families([folder])
    assert [c.name for c in family.choices] == ["beta"]
    (alpha, why), (gamma, _) = family.refused
    assert (alpha, gamma) == ("alpha", "gamma")
    assert "DoRA" in why and "merge_and_unload" in why and str(folder) not in why
    _tell(folder / "beta", peft_type="IA3")
    with pytest.raises(SourceError, match="IA3"):
        folder_families([folder])


def test_the_only_model_is_the_base_of_adapters_that_call_it_something_else(folder):
    shutil.rmtree(folder / "gamma")
    (folder / "base").rename(folder / "tiny")
    for name in ("alpha", "beta"):
        _tell(folder / name, base_model_name_or_path="org/unknown")
    (family,) = folder_families([folder])
    assert family.base == "file:tiny" and [c.name for c in family.choices] == ["alpha", "beta"]


def test_a_job_writes_an_adapter_of_the_rank_asked_for_and_says_what_it_lost(folder, tmp_path):
    shutil.rmtree(folder / "gamma")
    (family,) = folder_families([folder])
    recipe = first_recipe(family)
    lossy = _job(folder, tmp_path / "one", recipe, adapter=1)
    exact = _job(folder, tmp_path / "two", recipe, adapter=5)
    assert 0.1 < lossy["adapter"]["error"] < 1.0 and exact["adapter"]["error"] < 1e-6
    opened = AdaptedCheckpoint(FileCheckpoint(folder / "base"), Path(lossy["path"]))
    assert opened.rank == lossy["adapter"]["rank"] == 1
    assert lossy["digest"] == exact["digest"] and lossy["bytes"] < exact["bytes"]
    view = adapter_view(lossy["adapter"])
    assert view is not None and len(view["rows"]) == len(lossy["adapter"]["fits"]) == 14
    shares = [float(row[2].rstrip("%")) for row in view["rows"]]
    assert shares == sorted(shares, reverse=True)
    model = _job(folder, tmp_path / "three", recipe)
    assert "adapter" not in model and adapter_view(None) is None


def test_the_words_give_energy_and_length_of_what_is_lost():
    fits = [
        {"key": "a.weight", "rank": 1, "error": 0.1},
        {"key": "b.weight", "rank": 2, "error": 0.6},
    ]
    report = {"error": 0.5, "rank": 2, "fits": fits, "whole": ["head.weight"]}
    view = adapter_view(report | {"ranks": [1, 2], "energy": [0.5, 0.75]})
    assert view is not None
    assert view["words"] == (
        "A LoRA adapter of rank 2: it keeps 75.00% of the change's energy; what it loses is "
        "50.00% as long as the change itself. 1 tensor is stored whole."
    )
    assert view["rows"] == [["b.weight", "2", "60.00%"], ["a.weight", "1", "10.00%"]]
    assert view["curve"] == [["1", "50.00%"], ["2", "75.00%"]]


def test_a_model_is_tested_when_it_is_asked_for_and_says_what_was_found(folder, tmp_path):
    (family,) = folder_families([folder])
    recipe = first_recipe(family)
    done = _job(folder, tmp_path / "one", recipe, check=True)
    (view,) = check_views(done["check"])
    assert view["well"] and view["words"].startswith("It loads whole, it answers with finite")
    assert "Asked “The first thing to say is”, it goes on with " in view["words"]
    assert [row[0] for row in view["rows"]] == ["outside the layers", "layer 0", "layer 1"]
    assert all(0.5 < float(row[1]) < 2 for row in view["rows"]) and view["against"] == "base"
    assert check_views(_job(folder, tmp_path / "two", recipe).get("check")) == []
    broken = dict(done["check"][0], is_well=False, verdict="Not fit for use.", answer=None)
    first, second = check_views([broken, done["check"][0]])
    assert not first["well"] and first["words"].endswith(": Not fit for use.") and second["well"]


def test_words_that_cannot_be_seen_are_named():
    drift = {"reference": "base", "layers": []}
    answer = {"asked": "“x”", "words": [" ", "P", "\n\n", "\n"]}
    report = {"verdict": "Well.", "answer": answer, "drift": drift, "is_well": True}
    (view,) = check_views([report])
    assert view["words"].endswith("goes on with a space or “P” or blanks or a line break.")


def test_the_card_takes_the_scores_of_this_merge_and_no_others(folder, tmp_path):
    (family,) = folder_families([folder])
    recipe = first_recipe(family)
    digest = _job(folder, tmp_path / "one", recipe)["digest"]
    row = {"task": "t", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    scores = {"split": "validation", "tasks": [row], "digest": digest}
    for name, told in (("same", scores), ("other", scores | {"digest": "0" * 64})):
        done = _job(folder, tmp_path / name, recipe, scores=told)
        card = (Path(done["path"]) / "README.md").read_text()
        assert ("| 9 of validation |" in card) is (name == "same")


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, 4097, None, [8]])
def test_a_rank_that_is_none_is_refused(value):
    with pytest.raises(RecipeError, match="whole number from 1 to 4096"):
        checked_rank(value)


def test_an_adapter_may_come_from_a_full_model_too_with_its_norms_whole(folder, tmp_path):
    recipe = first_recipe(folder_families([folder])[0])
    found = _job(folder, tmp_path / "out", recipe, adapter=2)["adapter"]
    assert "model.norm.weight" in found["whole"] and found["rank"] == 2

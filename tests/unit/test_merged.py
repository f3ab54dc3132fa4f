"""A recipe inside a recipe is known by its headers, and merged tensor by tensor as it is read."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from merger.compute import Prepared
from merger.engine import merge
from merger.inside import fitting_workers, memory_for_blocks, merges_inside, shares_of
from merger.kernels import choice
from merger.merged import MergedCheckpoint
from merger.recipe import Expert
from merger.sources import open_source
from tests.engine.folders import contents, family

ROOT = Path(__file__).resolve().parents[2]


def test_the_doctor_needs_no_torch_for_a_recipe_inside(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    inner, outer = tmp_path / "inner.yaml", tmp_path / "outer.yaml"
    inner.write_text(recipe.to_yaml(), "utf-8")
    outer.write_text(replace(recipe, experts=(Expert(f"recipe:{inner}", "x"),)).to_yaml(), "utf-8")
    code = (
        "import sys\n"
        "from merger.doctor import doctor\n"
        "from merger.recipe import Recipe\n"
        "print(doctor(Recipe.load(sys.argv[1])).is_well, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outer)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False"]


def bits(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the weights in a folder."""
    return {name: data for name, data in contents(folder).items() if "tensors" in name}


def inner_model(folder: Path) -> MergedCheckpoint:
    made = folder / "inner.yaml"
    made.write_text(family(folder).to_yaml(), "utf-8")
    model = open_source(f"recipe:{made}")
    assert isinstance(model, MergedCheckpoint)
    return model


def test_a_tensor_is_merged_when_it_is_read_and_held_as_long_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, again = inner_model(tmp_path), open_source(f"recipe:{tmp_path / 'inner.yaml'}")
    assert isinstance(again, MergedCheckpoint)
    merged: list[str] = []
    whole = Prepared.merge_tensor
    monkeypatch.setattr(
        Prepared, "merge_tensor", lambda self, key: merged.append(key) or whole(self, key)
    )
    first, second = list(model.tensors)[:2]
    values = model.read(first)
    assert torch.equal(model.read(first, 1, 3), values[1:3])
    model.read(second)
    model.read(first)
    assert merged == [first, second]
    merged.clear()
    again.serve(workers=1, held=1, at_once=1)
    for key in (first, second, first):
        assert torch.equal(again.read(key), model.read(key))
    assert merged == [first, second, first]


def test_a_merge_of_merges_is_the_same_however_little_is_held(tmp_path: Path) -> None:
    recipe = family(tmp_path)
    inner = tmp_path / "inner.yaml"
    inner.write_text(recipe.to_yaml(), "utf-8")
    experts = (Expert(f"recipe:{inner}", "x"), recipe.experts[0])
    outer = replace(
        recipe, method="ties", experts=experts, weights=(0.5, 0.7), params={"density": 0.5}
    )
    some = merge(outer, tmp_path / "some", base_dir=tmp_path)
    little = merge(outer, tmp_path / "little", base_dir=tmp_path, memory=1)
    assert bits(little) == bits(some) != {}


def test_half_of_the_budget_is_for_the_merges_inside(tmp_path: Path) -> None:
    model = inner_model(tmp_path)
    plain = open_source(f"file:{tmp_path / 'base'}")
    assert memory_for_blocks([plain], 1000) == 1000
    assert merges_inside([plain, model, model]) == [model]
    assert memory_for_blocks([plain, model], 1000) == 500


def test_no_more_threads_work_than_tensors_can_be_held(tmp_path: Path) -> None:
    model = inner_model(tmp_path)
    largest = max(info.nbytes for info in model.tensors.values())
    assert fitting_workers([model], 6 * largest, 4) == 3
    assert fitting_workers([model], 1, 4) == 1
    assert fitting_workers([open_source(f"file:{tmp_path / 'base'}")], None, 4) == 4
    (share,) = shares_of([model], 6 * largest, 3)
    assert share.held == 3 * largest and share.at_once >= 1
    # What it takes: all of its tensors, which fit, and what is merged at the same time.
    whole = sum(info.nbytes for info in model.tensors.values())
    assert whole < 3 * largest and share.bytes > whole


@pytest.mark.parametrize("method", ["task_arithmetic", "sce", "dare_ties"])
def test_each_tensor_inside_is_merged_once_whatever_threads_read_it(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "SMALLEST", 0)
    params = {"select_topk": 0.5} if method == "sce" else {}
    recipe = replace(family(tmp_path, 3, torch.bfloat16), method=method, params=params)
    inner = tmp_path / "inner.yaml"
    inner.write_text(recipe.to_yaml(), "utf-8")
    experts = (Expert(f"recipe:{inner}", "x"), recipe.experts[0])
    outer = replace(
        recipe, method="linear", base=None, experts=experts, weights=(0.5, 0.5), params={}
    )
    merged: list[str] = []
    whole = Prepared.merge_tensor
    monkeypatch.setattr(
        Prepared, "merge_tensor", lambda self, key: merged.append(key) or whole(self, key)
    )
    found = merge(outer, tmp_path / "out", base_dir=tmp_path, threads=2)
    assert sorted(merged) == sorted(set(merged)) and merged
    inside = merge(recipe, tmp_path / "inside", base_dir=tmp_path)
    folder = replace(outer, experts=(Expert(str(inside), "x"), recipe.experts[0]))
    assert bits(merge(folder, tmp_path / "plain", base_dir=tmp_path)) == bits(found)

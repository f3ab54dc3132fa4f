import numpy as np
import pytest
import torch

from merger.diagnostics.toy import KEY, MATRICES, UNIT, VECTORS, ToyInfo, measure_toy
from merger.memory import merge_tensors
from merger.recipe import Recipe
from merger.spec import METHODS

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]


def toy(method: str, **given) -> ToyInfo:
    experts = [{"source": name, "name": name} for name in ("x", "y", "z")]
    data = {"version": 1, "method": method, "base": "base", "experts": experts, **given}
    return measure_toy(Recipe.from_json(data))


@pytest.mark.parametrize("method", MERGES)
def test_every_method_has_four_pictures_of_which_the_last_is_what_merging_gives(method: str):
    info = toy(method)
    assert len(info.frames) == 4
    values = MATRICES if info.matrix else VECTORS
    experts = [{KEY: torch.tensor(v) * UNIT} for v in values[: len(info.experts)]]
    base = {KEY: torch.zeros_like(experts[0][KEY])}
    merged = merge_tensors(method, experts, base, names=list(info.experts))
    parts = [m[KEY] for m in merged.values()] if info.frames[-1].together is False else None
    found = torch.stack(parts if parts else [merged[KEY]])
    assert info.frames[-1].rows == pytest.approx(found.double().numpy() / UNIT, abs=1e-9)
    assert info.frames[0].rows == pytest.approx(np.array(values[: len(info.experts)]), rel=1e-6)


def test_ties_trims_a_small_entry_and_outvotes_one_expert():
    info = toy("ties", params={"density": 0.5})
    change, trim, elect, merged = info.frames
    assert [f.title for f in info.frames] == ["change", "trim", "elect", "combine"]
    assert trim.rows == pytest.approx(np.array([[3, 0], [0, 2.6], [-1.3, 0]]), abs=1e-6)
    assert elect.rows == pytest.approx(np.array([[3, 0], [0, 2.6], [0, 0]]), abs=1e-6)
    assert merged.rows == pytest.approx(np.array([[3, 2.6]]))
    assert [f.counts for f in info.frames] == [6, 3, 2, 2]
    assert merged.together and not elect.together


def test_settings_and_first_coefficients_of_the_recipe_hold():
    info = toy("task_arithmetic", weights=[2.0, 0.0, 1.0], params={"scale": 0.5})
    assert info.frames[0].rows[1].tolist() == [0, 0]
    assert info.frames[-1].rows == pytest.approx(np.array([[2.35, 0.633]]))
    assert info.frames[2].chain and info.frames[2].title == "tip to tail"
    wide = toy("ties", params={"density": [0.5, 1.0, 1.0]})
    assert wide.frames[1].counts == 5


def test_a_list_with_too_few_values_is_filled_with_its_last():
    experts = [{"source": name, "name": name} for name in ("x", "y")]
    data = {"version": 1, "method": "ties", "base": "b", "experts": experts}
    recipe = Recipe.from_json({**data, "params": {"density": [0.5, 1.0]}, "weights": [1, 2]})
    assert measure_toy(recipe).frames[1].counts == 5


def test_a_method_for_one_expert_shows_what_it_leaves_behind():
    info = toy("wise_ft", params={"alpha": 0.25})
    assert [f.title for f in info.frames] == ["change", "share", "left behind", "go"]
    assert info.frames[2].rows == pytest.approx(np.array([[2.25, 0.006]]), rel=1e-5)


def test_matrices_lose_directions():
    info = toy("tsv_m")
    assert info.matrix and [f.counts for f in info.frames] == [4, 2, 2, 2]
    first, second = info.frames[2].rows
    assert np.abs(first.T @ second).max() == pytest.approx(0, abs=1e-5)


def test_what_the_toy_leaves_out_is_said():
    rules = [{"match": "*", "scale": 2.0}]
    info = toy("task_arithmetic", rules=rules, after=[{"lines": {}}])
    assert info.note == "Without rules, lines." and toy("ties").note == ""

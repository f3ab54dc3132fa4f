"""The same models merged again with other settings: what was counted is not counted again."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from merger import engine
from merger.engine import merge
from merger.kernels import choice
from merger.kernels.stored_counts import StoredCounts
from merger.recipe import Recipe
from tests.engine.folders import contents, family

PASSES = ("cuts", "tallies", "high", "low", "find")
SETTINGS = {
    "ties": {"density": 0.3},
    "breadcrumbs": {"density": 0.3, "gamma": 0.1, "trim": "tensor"},
    "dare_ties": {"density": 0.5, "keep_share": 0.4},
}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often magnitudes are gone over."""
    monkeypatch.setattr(choice, "SMALLEST", 0)
    engine._surveys.clear()
    counted: Counter[str] = Counter()

    def watch(name: str) -> None:
        whole = getattr(StoredCounts, name)

        def watched(self, *args):
            counted[name] += 1
            return whole(self, *args)

        monkeypatch.setattr(StoredCounts, name, watched)

    for name in PASSES:
        watch(name)
    return counted


def weights_of(recipe: Recipe, out: Path, for_more: bool = True) -> bytes:
    return contents(merge(recipe, out, for_more=for_more))["model.safetensors"]


@pytest.mark.parametrize("method", list(SETTINGS))
def test_other_coefficients_need_no_survey(
    method: str, tmp_path: Path, passes: Counter[str]
) -> None:
    recipe = replace(family(tmp_path, 3, torch.bfloat16), method=method, params=SETTINGS[method])
    weights_of(recipe, tmp_path / "first")
    assert passes.total()
    passes.clear()
    other = replace(recipe, weights=(0.3, 0.6, 0.9))
    again = weights_of(other, tmp_path / "again")
    assert not passes
    engine._surveys.clear()
    assert again == weights_of(other, tmp_path / "fresh", for_more=False)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs"])
def test_another_density_needs_no_survey(
    method: str, tmp_path: Path, passes: Counter[str]
) -> None:
    recipe = replace(family(tmp_path, 3, torch.bfloat16), method=method, params=SETTINGS[method])
    weights_of(recipe, tmp_path / "first")
    assert passes.pop("tallies")
    passes.clear()
    other = replace(recipe, params={**recipe.params, "density": 0.55})
    again = weights_of(other, tmp_path / "again")
    assert not passes
    engine._surveys.clear()
    assert again == weights_of(other, tmp_path / "fresh", for_more=False)
    assert passes["cuts"] and not passes["tallies"]


@pytest.mark.parametrize("change", [{"density": 0.7}, {"keep_share": 0.2}, {"seed": 5}])
def test_what_draws_leave_is_not_mixed_up_with_that_of_other_draws(
    change: dict[str, float], tmp_path: Path, passes: Counter[str]
) -> None:
    recipe = replace(
        family(tmp_path, 3, torch.bfloat16), method="dare_ties", params=SETTINGS["dare_ties"]
    )
    weights_of(recipe, tmp_path / "first")
    params = {**recipe.params, **{key: value for key, value in change.items() if key != "seed"}}
    other = replace(recipe, params=params, seed=int(change.get("seed", recipe.seed)))
    again = weights_of(other, tmp_path / "again")
    assert not passes["tallies"]
    engine._surveys.clear()
    assert again == weights_of(other, tmp_path / "fresh")

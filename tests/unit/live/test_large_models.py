"""Models too large for a live preview: a sample stands for them, and scores stay exact."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merger import sampled
from merger.diagnostics.norms import measure_norms, with_merged
from merger.live import SETS, LiveSet
from merger.recipe import Expert, Recipe
from merger.sampled import live_share
from merger.scoring import score
from merger.spec import METHODS
from tests.builders import build_llama_family

NAMES = ("alpha", "beta", "gamma")
ENTRIES = 12_000  # of about 28,000 that the three experts have


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=10)


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", ENTRIES)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", ENTRIES)
    yield
    SETS.clear()


def recipe_of(family: Path, method: str, **changes: Any) -> Recipe:
    names = NAMES[: METHODS[method].experts[1]]
    experts = tuple(Expert(f"file:{family / name}", name) for name in names)
    return Recipe(method, experts, base=f"file:{family / 'base'}", **changes)


def merged_share(live: LiveSet, recipe: Recipe) -> float:
    flat = live.merge(recipe).flat
    assert flat is not None
    return with_merged(measure_norms(live.stack), live.stack, flat.numpy()).merged_share


def test_small_models_are_held_whole_and_large_ones_by_a_share() -> None:
    assert live_share(sampled.LIVE_ENTRIES // 4, 4) is None
    assert live_share(sampled.LIVE_ENTRIES, 2) == sampled.SAMPLE_ENTRIES / sampled.LIVE_ENTRIES / 2
    assert live_share(10**12, 8) == sampled.SMALLEST_SHARE


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_linear", "model_stock"])
def test_the_norm_of_a_sampled_merge_is_near_the_exact_one(
    method: str, family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(family, method)
    SETS.clear()
    exact = merged_share(LiveSet.open(recipe), recipe)
    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", ENTRIES)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", ENTRIES)
    live = LiveSet.open(recipe)
    assert live.sample is not None and live.sample < 0.5
    assert merged_share(live, recipe) == pytest.approx(exact, rel=0.1)
    SETS.clear()


@pytest.mark.usefixtures("small_limit")
def test_scores_come_from_the_whole_merge(family: Path) -> None:
    recipe = recipe_of(family, "ties", params={"density": 0.5})
    live = LiveSet.open(recipe)
    found, wanted = live.report(live.full(recipe)), score(recipe)
    values = [(t.task, t.value, t.n) for t in found.tasks]
    assert values == [(t.task, t.value, t.n) for t in wanted.tasks]
    assert found.digest == wanted.digest


@pytest.mark.usefixtures("small_limit")
def test_a_method_that_needs_whole_tensors_is_not_merged_from_a_sample(family: Path) -> None:
    recipe = recipe_of(family, "dare_linear", params={"rescale": "l1"})
    live = LiveSet.open(recipe)
    assert live.merge(recipe).flat is None
    assert live.merge(recipe).digest == live.digest(recipe)


@pytest.mark.usefixtures("small_limit")
def test_the_sample_is_the_same_every_time(family: Path) -> None:
    recipe = recipe_of(family, "task_arithmetic")
    first = LiveSet.open(recipe)
    SETS.clear()
    second = LiveSet.open(recipe)
    assert first is not second
    assert np.array_equal(first.stack.tau, second.stack.tau)

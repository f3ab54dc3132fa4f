"""Methods that give one model per expert: each task is answered by its own expert's model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merger.engine import merge
from merger.errors import TaskError
from merger.live import SETS, LiveSet
from merger.recipe import Expert, Recipe
from merger.scoring import score
from merger.spec import METHODS
from merger.tasks.base import draw_subset
from tests.builders import build_llama_family

NAMES = ("alpha", "beta", "gamma")
PER_TASK = sorted(m.name for m in METHODS.values() if m.output == "per_task")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=15)


@pytest.fixture(autouse=True)
def forget_sets() -> Iterator[None]:
    SETS.clear()
    yield
    SETS.clear()


def recipe_of(family: Path, method: str = "emr", **changes: Any) -> Recipe:
    experts = tuple(Expert(f"file:{family / name}", name) for name in NAMES)
    return Recipe(method, experts, base=f"file:{family / 'base'}", **changes)


@pytest.mark.parametrize("method", PER_TASK)
def test_the_preview_of_each_model_has_the_bytes_of_the_saved_one(
    method: str, family: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(family, method)
    found = LiveSet.open(recipe).merge(recipe)
    assert found.flat is None and found.parts is not None
    out = merge(recipe, tmp_path / "out")
    for name in NAMES:
        saved: dict[str, torch.Tensor] = {}
        for path in sorted((out / name).glob("*.safetensors")):
            saved |= load_file(path)
        assert set(saved) == set(found.parts.models[name])
        for key, tensor in saved.items():
            assert torch.equal(found.parts.models[name][key].to(tensor.dtype), tensor), key


def test_each_task_is_answered_by_its_own_expert(family: Path, tmp_path: Path) -> None:
    recipe = recipe_of(family)
    live = LiveSet.open(recipe)
    shown = {row.task: row.value for row in live.report(live.full(recipe)).tasks}
    assert list(shown) == ["text:alpha", "text:beta", "text:gamma"]  # text.txt is nobody's
    wanted = {row.task: row.value for row in score(recipe).tasks}
    assert shown == wanted
    out = merge(recipe, tmp_path / "out")
    for name in NAMES:
        alone = score(out / name, [f"text:{family / name}.txt"])
        assert alone.tasks[0].value == pytest.approx(shown[f"text:{name}"], rel=1e-6)


def test_the_subset_is_answered_as_in_the_full_pass(family: Path) -> None:
    recipe = recipe_of(family)
    live = LiveSet.open(recipe)
    tasks, preview = live.tasks_of(recipe), live.scores().preview
    assert preview is not None
    answers, truth = preview.answer(live.merge(recipe).numbers, None, tasks), live.full(recipe)
    for task in tasks:
        index = draw_subset(task.strata("validation"), preview.sizes[task.name], task.name)
        wanted = truth.outcomes[task.name].take(index)
        assert answers[task.name].top == pytest.approx(wanted.top, rel=1e-6)
    estimate = live.preview(recipe, live.full_of(None))
    assert [row.task for row in estimate.tasks] == [task.name for task in tasks]
    assert all(row.low <= row.value <= row.high for row in estimate.tasks)


def test_a_task_of_nobody_is_refused_by_name(family: Path) -> None:
    recipe = recipe_of(family)
    with pytest.raises(TaskError, match="text:text: this merge gives one model per expert"):
        score(recipe, [f"text:{family / 'text.txt'}"])
    other = Recipe(
        "emr",
        tuple(Expert(f"file:{family / name}", f"my_{name}") for name in NAMES),
        base=f"file:{family / 'base'}",
    )
    with pytest.raises(TaskError, match="no task belongs to my_alpha, my_beta, my_gamma"):
        score(other)

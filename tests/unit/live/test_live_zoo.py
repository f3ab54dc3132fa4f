"""The live path on the bundled experts: the bars are what `score` gives."""

from pathlib import Path

import pytest
import torch

from merger.engine import merge
from merger.live import SETS, LiveSet
from merger.preview import Preview
from merger.recipe import Expert, Recipe
from merger.scoring import known_best, score
from merger.sources import open_source
from merger.tasks import choose_tasks, find_tasks
from merger.zoo.read import ZOO_DIR, zoo_info

pytestmark = pytest.mark.skipif(
    not (ZOO_DIR / "zoo.yaml").is_file(), reason="the zoo is not built: run `make zoo`"
)


@pytest.fixture(scope="module", autouse=True)
def forget_sets():
    SETS.clear()
    yield
    SETS.clear()


def recipe(**changes) -> Recipe:
    experts = tuple(Expert(f"zoo:{name}", name) for name in zoo_info().names())
    settings = {"method": "task_arithmetic", "params": {"scale": 0.3}} | changes
    return Recipe(experts=experts, base="zoo:base", **settings)


def test_every_task_has_images_and_a_head_for_the_base() -> None:
    tasks = find_tasks(open_source("zoo:base"))
    assert [task.name for task in tasks] == [task.name for task in zoo_info().tasks]
    for task in tasks:
        assert len(task.strata("validation")) == task.splits["validation"]
        assert task.best("test") is not None


def test_an_experts_score_is_the_one_in_the_index() -> None:
    name = zoo_info().names()[0]
    row = score(f"zoo:{name}", [name], "validation").tasks[0]
    known, n = zoo_info().accuracy(name, split="validation")
    assert row.n == n
    # The index was made on another machine perhaps: one answer in a hundred may tip over.
    assert row.value == pytest.approx(known, abs=0.01)


def test_the_bar_the_recipe_and_the_saved_folder_have_the_same_counts(tmp_path: Path) -> None:
    wanted = recipe(method="ties", params={"density": 0.3})
    folder = merge(wanted, tmp_path / "out")
    names = [task.name for task in zoo_info().tasks][:2]
    by_recipe, by_folder = score(wanted, names), score(folder, names)
    live = LiveSet.open(wanted)
    bar = {row.task: row for row in live.report(live.full(wanted)).tasks}
    assert by_recipe.tasks == by_folder.tasks == tuple(bar[name] for name in names)
    assert all(row.normalised is not None for row in bar.values())


def test_a_preview_holds_the_full_score_in_its_interval_for_most_tasks() -> None:
    start, moved = recipe(), recipe(params={"scale": 0.5})
    live = LiveSet.open(start)
    reference, truth = live.full(start), live.full(moved)
    scores = live.scores()
    assert scores.scorer is not None and scores.preview is not None
    assert all(24 <= n <= 128 for n in scores.preview.sizes.values())
    # A fixed size: what is measured differs from machine to machine.
    tensors, best = live.merge(moved).tensors, known_best(scores.scorer, ())
    estimate = Preview(scores.scorer, 48).compare("moved", tensors, reference, best)
    held = [row.low <= truth.outcomes[row.task].value <= row.high for row in estimate.tasks]
    assert sum(held) >= len(held) - 1
    assert estimate.normalised_mean is not None


def test_an_earlier_step_is_another_set_with_other_numbers() -> None:
    name = zoo_info().names()[0]
    early = zoo_info().steps(name)[0]
    last, first = (
        Recipe("task_arithmetic", (Expert(f"zoo:{name}", name, step),), base="zoo:base")
        for step in (None, early)
    )
    one, other = (LiveSet.open(r).merge(r) for r in (last, first))
    assert one.digest != other.digest
    assert not torch.equal(one.flat, other.flat)


def test_tasks_are_chosen_by_name_in_the_order_asked_for() -> None:
    names = [task.name for task in zoo_info().tasks][:2][::-1]
    assert [t.name for t in choose_tasks(names, open_source("zoo:base"))] == names

"""What holds of every kind of task: shape, splits, parts of it, a stop, and what is kept."""

from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from merger.checkpoint import FileCheckpoint
from merger.engine import merge
from merger.errors import Cancelled
from merger.kept import KeptAnswers
from merger.progress import Progress
from merger.recipe import Recipe
from merger.scorer import Scorer, read_tensors
from merger.scoring import score, summarise
from merger.tasks import UNITS, choose_tasks
from merger.tasks.base import SPLITS, Explained, Task, draw_subset
from merger.tasks.names import KINDS
from tests.builders import build_llama_family
from tests.heads import build_image_family, build_text_family

OPTIONAL = {"lm-eval"}  # tests/conformance, where the harness is installed


@dataclass(frozen=True)
class Case:
    """A folder of models and the name of a task for them."""

    models: Path
    name: str

    def open(self) -> Task:
        return choose_tasks([self.name], FileCheckpoint(self.models / "base"))[0]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("kinds")
    words = build_llama_family(folder / "words", experts=("ada", "bob"), train_steps=5)
    texts, images = build_text_family(folder / "texts"), build_image_family(folder / "images")
    rows = [f"film {i} is,{('bad', 'good')[i % 2]}" for i in range(40)]
    (words / "films.csv").write_text("\n".join(["text,label", *rows]))
    return {
        "text": Case(words, f"text:{words}/text.txt"),
        "perplexity": Case(words, f"perplexity:{words}/text.txt?window=32"),
        "classify": Case(texts, f"classify:{texts}/moods.csv"),
        "classify by words": Case(words, f"classify:{words}/films.csv"),
        "images": Case(images, f"images:{images}/rooms"),
    }


ALL = ("text", "perplexity", "classify", "classify by words", "images")


def test_every_kind_of_task_is_among_the_cases() -> None:
    assert {name.split()[0] for name in ALL} | OPTIONAL == set(KINDS)


@pytest.mark.parametrize("kind", ALL)
def test_a_task_has_two_splits_and_answers_a_part_as_the_whole(
    cases: dict[str, Case], kind: str
) -> None:
    task = cases[kind].open()
    assert isinstance(task, Task) and isinstance(task, Explained) and task.about.endswith(".")
    base = FileCheckpoint(cases[kind].models / "base")
    scorer = Scorer(base, [task])
    for split in SPLITS:
        n = task.splits[split]
        assert n > 5 and len(task.strata(split)) == n
        whole = scorer.full("base", lambda: read_tensors(base), split).outcomes[task.name]
        index = draw_subset(task.strata(split), 4, task.name)
        part, taken = task.predict(scorer.runner, split, index=index), whole.take(index)
        assert len(whole) == n and np.allclose(part.top, taken.top, rtol=1e-5)
        assert np.array_equal(part.bottom, taken.bottom) and part.is_log == taken.is_log
        row = summarise(scorer.full("base", dict, split), [task]).tasks[0]
        assert row.low <= row.value <= row.high and row.metric in UNITS and row.n >= n


@pytest.mark.parametrize("kind", ALL)
def test_a_score_stops_between_batches_and_reports_what_is_done(
    cases: dict[str, Case], kind: str
) -> None:
    task, base = cases[kind].open(), FileCheckpoint(cases[kind].models / "base")
    stop, seen = Event(), []

    def report(progress: Progress) -> None:
        seen.append(progress)
        stop.set()

    scorer = Scorer(base, [task])
    with pytest.raises(Cancelled):
        scorer.full("d", lambda: read_tensors(base), report=report, cancel=stop)
        scorer.full("d", lambda: read_tensors(base), "test", report=report, cancel=stop)
    assert seen[0].done == 0 and seen[0].total == task.splits["validation"]


@pytest.mark.parametrize("kind", ALL)
def test_answers_outlive_the_process_under_the_same_content(
    cases: dict[str, Case], kind: str, tmp_path: Path
) -> None:
    task, base = cases[kind].open(), FileCheckpoint(cases[kind].models / "base")
    assert task.content == cases[kind].open().content
    first = Scorer(base, [task], KeptAnswers(tmp_path)).full("d", lambda: read_tensors(base))
    again = Scorer(base, [cases[kind].open()], KeptAnswers(tmp_path))
    assert again.full("d", lambda: pytest.fail("must not be asked again")) == first


@pytest.mark.parametrize("kind", ALL)
def test_a_recipe_and_its_saved_folder_have_the_same_score(
    cases: dict[str, Case], kind: str, tmp_path: Path
) -> None:
    models = cases[kind].models
    plain = {
        "method": "task_arithmetic",
        "base": f"file:{models}/base",
        "experts": [f"file:{models}/{name}" for name in ("ada", "bob")],
        "params": {"scale": 0.5},
        "out_dtype": "bfloat16",
    }
    recipe = Recipe.from_json(plain)
    live = score(recipe, [cases[kind].name], "test").tasks[0]
    saved = score(merge(recipe, tmp_path / "out"), [cases[kind].name], "test").tasks[0]
    assert (saved.value, saved.low, saved.high) == (live.value, live.low, live.high)

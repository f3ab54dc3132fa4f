"""Scores: hand-computed values and intervals, and the same counts however a model is opened."""

from pathlib import Path
from threading import Event

import numpy as np
import pytest

from merger.checkpoint import FileCheckpoint
from merger.errors import Cancelled, SourceError, TaskError
from merger.intervals import wilson
from merger.progress import Progress
from merger.scorer import FullScore, Scorer, read_tensors
from merger.scoring import ScoreReport, score, summarise
from merger.tasks import TextTask, find_tasks
from merger.tasks.base import Outcomes
from merger.tasks.images import ImageTask
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=30)


def no_images(split: str):
    raise AssertionError("nothing is to be read")


def image_task(name: str, n: int, best: float | None = None) -> ImageTask:
    scores = {} if best is None else {"test": best}
    return ImageTask(name, name, name, {"test": n}, no_images, no_images, best_scores=scores)


def answers(right: int, n: int, clusters: np.ndarray | None = None) -> Outcomes:
    top = (np.arange(n) < right).astype(float)
    return Outcomes(top, np.ones(n), np.arange(n) if clusters is None else clusters)


def report_of(tasks: list[ImageTask], outcomes: list[Outcomes]) -> ScoreReport:
    by_name = {task.name: found for task, found in zip(tasks, outcomes, strict=True)}
    return summarise(FullScore("d", "test", by_name), tasks, lambda task, split: task.best(split))


def test_accuracy_has_wilsons_interval_and_is_normalised_by_the_best() -> None:
    tasks = [image_task("a", 100, 0.9), image_task("b", 50, 0.8)]
    report = report_of(tasks, [answers(72, 100), answers(20, 50)])
    first, second = report.tasks
    assert (first.value, first.n, first.normalised) == (0.72, 100, pytest.approx(0.8))
    assert (first.low, first.high) == wilson(72, 100)[1:]
    assert second.normalised == pytest.approx(0.5)
    assert report.mean == pytest.approx(0.56)
    assert report.normalised_mean == pytest.approx(0.65)
    assert report.worst == "b"


def test_images_of_one_font_count_together() -> None:
    # Four fonts, each all right or all wrong: the interval is that of 4 answers, not of 100.
    fonts = np.arange(100) // 25
    alone = report_of([image_task("a", 100)], [answers(50, 100)]).tasks[0]
    together = report_of([image_task("a", 100)], [answers(50, 100, fonts)]).tasks[0]
    assert together.value == alone.value == 0.5
    assert together.high - together.low > 3 * (alone.high - alone.low)
    assert 0 <= together.low <= together.high <= 1


def test_an_unknown_best_leaves_the_normalised_score_out() -> None:
    report = report_of([image_task("a", 10, 0.5), image_task("b", 10)], [answers(5, 10)] * 2)
    assert [task.normalised for task in report.tasks] == [1.0, None]
    assert report.normalised_mean is None
    assert report.worst is not None


def test_bits_per_byte_is_bits_over_bytes_and_normalised_upside_down(tmp_path: Path) -> None:
    task = TextTask(tmp_path / "t.txt", tmp_path)
    outcomes = Outcomes(np.array([30.0, 10.0]), np.array([10.0, 6.0]), np.arange(2))
    found = summarise(FullScore("d", "test", {task.name: outcomes}), [task], lambda *_: 2.0)
    assert found.tasks[0].value == pytest.approx(2.5)
    assert found.tasks[0].normalised == pytest.approx(0.8)
    assert found.tasks[0].low <= 2.5 <= found.tasks[0].high


def test_the_report_has_the_public_shape(family: Path) -> None:
    data = score(family / "base", split="test").to_json()
    assert list(data) == ["split", "tasks", "mean", "normalised_mean", "worst", "digest"]
    assert list(data["tasks"][0]) == ["task", "metric", "value", "low", "high", "n", "normalised"]


def test_an_expert_is_better_on_its_own_text_than_the_base(family: Path) -> None:
    for name in ("alpha", "beta", "gamma"):
        own = f"text:{name}"
        expert = score(family / name, [own]).tasks[0]
        base = score(family / "base", [own]).tasks[0]
        assert expert.metric == "bits_per_byte"
        assert expert.value < base.value


def test_the_text_files_beside_the_models_are_their_tasks(family: Path) -> None:
    tasks = find_tasks(FileCheckpoint(family / "base"))
    assert [t.name for t in tasks] == ["text:alpha", "text:beta", "text:gamma", "text:text"]


def test_a_text_file_anywhere_can_be_named(family: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("0123 " * 100)
    report = score(family / "base", ["text:mine.txt"], base_dir=tmp_path)
    assert report.tasks[0].task == "text:mine"


def test_wrong_tasks_and_targets_are_refused(family: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="Did you mean 'text:alpha'"):
        score(family / "base", ["text:alpa"])
    with pytest.raises(SourceError, match="must be a recipe or a model folder"):
        score(tmp_path / "nothing")
    with pytest.raises(TaskError, match="device"):
        score(family / "base", device="cuda")


def test_answers_are_remembered_and_a_cancel_is_heard(family: Path) -> None:
    saved = FileCheckpoint(family / "base")
    scorer = Scorer(saved, find_tasks(saved))
    seen: list[Progress] = []
    first = scorer.full("base", lambda: read_tensors(saved), report=seen.append)
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 128, 128)
    assert scorer.known("base", "validation") == first
    again = scorer.full("base", lambda: pytest.fail("must not be read again"))
    assert again == first
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        scorer.full("base", lambda: read_tensors(saved), "test", cancel=stop)
    assert scorer.known("base", "test") is None

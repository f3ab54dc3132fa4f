"""A training curve as a background job: partial, cancelled, remembered, taken up again."""

import contextlib
import threading
from pathlib import Path

import pytest

from merger.errors import Cancelled, FeedError
from merger.jobs import JobRunner, JobState
from merger.jobs.training import measure_in_background
from merger.progress import Progress
from merger.recipe import Recipe
from merger.scoring import score
from merger.training import CurveStore, TrainingInfo, measure_training
from merger.workspace import Workspace
from tests.builders import build_llama_family

DIGEST = "5" * 64


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve") / "family"
    return build_llama_family(folder, experts=("alpha", "beta"), train_steps=8, keep=(2, 4))


def recipe(family: Path, method: str = "task_arithmetic", **more) -> Recipe:
    data = {
        "method": method,
        "base": f"file:{family}/base",
        "experts": [f"file:{family}/alpha", f"file:{family}/beta"],
    }
    return Recipe.from_json(data | more)


def order(family: Path, curves: Path, **more) -> dict:
    found = recipe(family, **more)
    return {"recipe": found.to_json(), "digest": DIGEST, "curves": str(curves)}


def follow(family: Path, curves: Path, stop_at: int | None = None) -> list[Progress]:
    """Measure in this process; cancel when so many models are scored."""
    said: list[Progress] = []
    cancel = threading.Event()

    def report(progress: Progress) -> None:
        said.append(progress)
        if stop_at is not None and progress.done >= stop_at:
            cancel.set()

    measure_in_background(order(family, curves), report, cancel)
    return said


def test_a_curve_is_measured_in_the_background_and_kept(family: Path, tmp_path: Path) -> None:
    curves = tmp_path / "ws" / "curves"
    with (
        contextlib.closing(Workspace(tmp_path / "ws")) as workspace,
        contextlib.closing(JobRunner(workspace)) as runner,
    ):
        job = runner.submit("training", order(family, curves), owner="ann", title="t")
        end = runner.wait(job.id, 180)
    assert end.state is JobState.DONE, end.error
    assert end.unit == "models" and end.done == end.total > 0
    info = CurveStore(curves).get(DIGEST)
    assert info is not None and info.complete
    assert info.steps.tolist() == [2, 4, 8] and info.experts == ("alpha", "beta")
    # Each expert has a text named like it; the mixed text belongs to nobody and does not count.
    assert info.tasks == ("alpha", "beta") and info.owned
    assert info.metric == "bits_per_byte" and info.n > 1000


def test_own_scores_and_merges_are_those_that_a_score_gives(family: Path) -> None:
    info = measure_training(recipe(family, params={"scale": 0.5}))
    alone = score(f"file:{family}/alpha/checkpoint-2", [f"text:{family}/alpha.txt"]).tasks[0]
    assert info.own[0, 0].tolist() == [alone.value, alone.low, alone.high]
    texts = [f"text:{family}/{name}.txt" for name in info.experts]
    merged = score(recipe(family, params={"scale": 0.5}), texts)
    assert info.fixed[2, 0] == pytest.approx(merged.mean)
    base = score(f"file:{family}/base", texts)
    assert info.base[0] == pytest.approx(base.mean)


def test_a_cancelled_curve_shows_what_it_has_and_goes_on_there(
    family: Path, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        follow(family, tmp_path, stop_at=5)
    half = CurveStore(tmp_path).get(DIGEST)
    assert half is not None and not half.complete
    assert [bool(x == x) for x in half.fixed[:, 0]] == [True, False, False]
    kept = len(list((tmp_path / "answers").glob("*.npz")))
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "answers").glob("*.npz")}
    follow(family, tmp_path)
    whole = CurveStore(tmp_path).get(DIGEST)
    assert whole is not None and whole.complete and kept >= 4
    # What was answered before the stop was not answered again.
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert whole == measure_training(recipe(family))


def test_own_curves_are_shared_by_all_recipes(family: Path, tmp_path: Path) -> None:
    measure_training(recipe(family), answers=tmp_path)
    before = len(list(tmp_path.glob("*.npz")))
    other = recipe(family, "ties")
    info = measure_training(other, answers=tmp_path)
    merges = len(info.steps) * len(info.tried)
    assert len(list(tmp_path.glob("*.npz"))) - before == merges


def test_a_damaged_answer_is_measured_again(family: Path, tmp_path: Path) -> None:
    whole = measure_training(recipe(family), answers=tmp_path)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:20])
    assert measure_training(recipe(family), answers=tmp_path) == whole


def test_a_method_that_feels_no_factor_is_not_tuned(family: Path) -> None:
    info = measure_training(recipe(family, "karcher"))
    assert isinstance(info, TrainingInfo)
    assert info.scale == "" and "whatever its experts are multiplied by" in info.why_not_tuned


def test_models_without_earlier_checkpoints_say_what_is_missing(family: Path) -> None:
    experts = [f"file:{family}/alpha/checkpoint-2", f"file:{family}/beta/checkpoint-4"]
    with pytest.raises(FeedError, match="None of these experts has checkpoints") as caught:
        measure_training(Recipe.from_json({"method": "average", "experts": experts}))
    assert "checkpoint-N" in caught.value.hint

"""Explorations and test scores as background jobs, on language models and on the zoo."""

import contextlib
import threading
from dataclasses import replace

import pytest

from merger.errors import Cancelled
from merger.jobs import JobRunner, JobState
from merger.jobs.exploring import explore_in_background, score_in_background
from merger.library import Library
from merger.recipe import Recipe
from merger.scoring import score
from merger.workspace import Workspace
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return build_llama_family(tmp_path_factory.mktemp("family"), experts=("alpha", "beta"))


@pytest.fixture
def workspace(tmp_path):
    with contextlib.closing(Workspace(tmp_path / "ws")) as workspace:
        yield workspace


def recipe(method="task_arithmetic", **more):
    data = {"method": method, "base": "file:base", "experts": ["file:alpha", "file:beta"]}
    return Recipe.from_json(data | more)


def order(workspace, family, count=3, **more):
    plain = {
        "recipe": recipe().to_json(),
        "count": count,
        "workspace": str(workspace.folder),
        "roots": [str(family)],
        "owner": "ann",
    }
    return plain | more


def explore(payload, cancel=None):
    seen = []
    return explore_in_background(payload, seen.append, cancel or threading.Event()), seen


def test_an_exploration_keeps_each_merge_with_its_scores_size_and_norm(workspace, family):
    result, seen = explore(order(workspace, family))
    assert result == {"scored": 3, "left_out": 0, "why": "", "split": "validation"}
    assert [p.done for p in seen if p.total == 3][-1] == 3 and seen[-1].unit == "merges"
    rows = Library(workspace).list("ann")
    assert len({row.digest for row in rows}) == 3
    for row in rows:
        drawn = Recipe.from_yaml(row.recipe)
        expected = score(replace(drawn), base_dir=family).to_json()["tasks"][0]
        got = row.scores["tasks"][0]
        assert (got["value"], got["n"]) == (expected["value"], expected["n"])
        assert 0 < row.facts.norm < 1
        # 9,328 numbers of two bytes: the tied head is stored once.
        assert row.facts.size_bytes == 2 * sum(_sizes(family))
        assert row.facts.about["origin"] == "explore" and row.facts.about["seconds"] > 0
        assert row.facts.about["words"].startswith("Task arithmetic of ")
        assert row.facts.about["base"].keys() == {"text:text"}


def _sizes(family):
    from merger.checkpoint import FileCheckpoint

    return [info.numel for info in FileCheckpoint(family / "base").tensors.values()]


def test_the_same_seed_goes_on_and_another_begins_anew(workspace, family):
    library = Library(workspace)
    explore(order(workspace, family, count=2))
    first = {row.digest for row in library.list("ann")}
    explore(order(workspace, family, count=2))
    both = library.list("ann")
    assert len(both) == 4 and first < {row.digest for row in both}
    assert sorted(row.facts.about["index"] for row in both) == [0, 1, 2, 3]
    explore(order(workspace, family, count=1, seed=9))
    indices = [row.facts.about["index"] for row in library.list("ann")]
    assert sorted(indices) == [0, 0, 1, 2, 3]
    # Somebody else starts at the first point, and gets the same merges.
    explore(order(workspace, family, count=2, owner="bob"))
    assert {row.digest for row in library.list("bob")} == first


def test_a_cancel_keeps_what_was_scored(workspace, family):
    cancel = threading.Event()

    def stop_after_two(progress):
        if progress.done == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        explore_in_background(order(workspace, family, count=64), stop_after_two, cancel)
    assert len(Library(workspace).list("ann")) == 2
    explore(order(workspace, family, count=1))
    assert max(r.facts.about["index"] for r in Library(workspace).list("ann")) == 2


def test_test_scores_are_rows_beside_the_validation_rows(workspace, family):
    explore(order(workspace, family, count=1))
    library = Library(workspace)
    (row,) = library.list("ann")
    payload = order(workspace, family, recipes=[Recipe.from_yaml(row.recipe).to_json()])
    result = score_in_background(
        payload | {"split": "test"}, lambda progress: None, threading.Event()
    )
    assert result["scored"] == 1 and result["split"] == "test"
    test = library.get(row.digest, "ann", split="test")
    assert test.scores["split"] == "test" and test.facts.anchor == row.facts.anchor
    assert library.next_index("ann", row.facts.about["key"]) == 1


def test_settings_that_cannot_be_saved_are_counted_and_the_rest_goes_on(workspace, family):
    bad = recipe(params={"scale": 1e39}).to_json()
    payload = order(workspace, family, recipes=[bad, recipe().to_json()], split="validation")
    result = score_in_background(payload, lambda progress: None, threading.Event())
    assert (result["scored"], result["left_out"]) == (1, 1) and result["why"]


def test_models_too_large_for_memory_are_explored_from_disk(workspace, family, monkeypatch):
    from merger import sampled
    from merger.live import SETS

    SETS.clear()
    monkeypatch.setattr(sampled, "LIVE_ENTRIES", 9000)
    monkeypatch.setattr(sampled, "SAMPLE_ENTRIES", 9000)
    try:
        result, seen = explore(order(workspace, family, count=2, seed=5))
    finally:
        SETS.clear()
    assert result["scored"] == 2
    assert any("of this merge" in progress.note for progress in seen)
    rows = Library(workspace).list("ann")
    assert all(row.facts.norm > 0 for row in rows)


def test_an_exploration_runs_in_the_worker_and_another_folder_is_closed_to_it(
    workspace, family, tmp_path
):
    with contextlib.closing(JobRunner(workspace)) as runner:
        payload = order(workspace, family, count=2)
        end = runner.wait(runner.submit("explore", payload, owner="ann", title="t").id, 120)
        assert end.state is JobState.DONE, end.error
        assert (end.done, end.total, end.unit) == (2, 2, "merges")
        assert len(Library(workspace).list("ann")) == 2
        elsewhere = payload | {"roots": [str(tmp_path)]}
        end = runner.wait(runner.submit("explore", elsewhere, owner="ann", title="t").id, 120)
        assert end.state is JobState.FAILED and end.error["type"] == "SourceError"


def test_the_bundled_experts_can_be_explored(workspace, tmp_path):
    data = {"method": "ties", "base": "zoo:base", "experts": ["zoo:mnist", "zoo:greek"]}
    payload = order(workspace, tmp_path, count=1, recipe=Recipe.from_json(data).to_json())
    result, _ = explore(payload)
    (row,) = Library(workspace).list("ann")
    assert result["scored"] == 1 and len(row.scores["tasks"]) == 6
    assert 0 < row.scores["normalised_mean"] < 1 and row.facts.norm > 0

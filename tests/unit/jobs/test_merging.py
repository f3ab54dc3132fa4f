"""The real merge as a background job, and the model folder it leaves."""

import contextlib
import threading
import zipfile
from pathlib import Path

import pytest

from merger.errors import SourceError
from merger.jobs import JobRunner, JobState
from merger.jobs.merging import merge_in_background
from merger.recipe import Recipe
from merger.workspace import Workspace
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return build_llama_family(tmp_path_factory.mktemp("family"), experts=("alpha", "beta"))


@pytest.fixture
def runner(tmp_path):
    with (
        contextlib.closing(Workspace(tmp_path / "ws")) as workspace,
        contextlib.closing(JobRunner(workspace)) as runner,
    ):
        yield runner


def payload(family, **more):
    data = {
        "method": "task_arithmetic",
        "base": f"file:{family}/base",
        "experts": [f"file:{family}/alpha", f"file:{family}/beta"],
    }
    return {"recipe": Recipe.from_json(data).to_json(), **more}


def test_a_merge_job_leaves_a_model_under_its_own_folder_to_download(runner, family):
    name = "../../<script>my merge</script>"
    job = runner.submit("merge", payload(family, name=name), owner="ann", title=name)
    end = runner.wait(job.id, 60)
    assert end.state is JobState.DONE, end.error
    workspace = runner._workspace
    out = workspace.output_folder(job.id) / "script-my-merge-script"
    assert end.result["path"] == str(out) and len(end.result["digest"]) == 64
    assert end.result["bytes"] > 0 and "config.json" in end.result["files"]
    assert end.unit == "bytes" and end.done == end.total > 0
    with zipfile.ZipFile(workspace.archive(job.id)) as pack:
        assert f"{out.name}/config.json" in pack.namelist()


def test_relative_sources_start_from_the_folder_that_was_given(runner, family):
    data = {"method": "average", "experts": ["file:alpha", "file:beta"]}
    order = {"recipe": Recipe.from_json(data).to_json(), "base_dir": str(family)}
    end = runner.wait(runner.submit("merge", order, owner="ann", title="t").id, 60)
    assert end.state is JobState.DONE, end.error


def test_a_merge_job_of_models_that_are_missing_fails_in_words(runner, family):
    wrong = payload(family)
    wrong["recipe"]["base"] = "file:/nowhere/base"
    end = runner.wait(runner.submit("merge", wrong, owner="ann", title="t").id, 60)
    assert end.state is JobState.FAILED and end.error["type"] == "SourceError"
    assert not runner._workspace.output_folder(end.id).exists()


def test_the_worker_that_merges_loads_no_web_interface(tmp_path):
    kinds = {
        "merge": "merger.jobs.merging:merge_in_background",
        "modules": "tests.unit.jobs.work:modules",
    }
    with (
        contextlib.closing(Workspace(tmp_path / "ws")) as workspace,
        contextlib.closing(JobRunner(workspace, kinds=kinds)) as runner,
    ):
        runner.warm_up()
        end = runner.wait(runner.submit("modules", {}, owner="ann", title="t").id, 60)
    assert end.result == {"loaded": ["torch"]}


def test_a_visitors_merge_finds_models_by_name_under_their_roots_only(family, tmp_path):
    recipe = {"method": "average", "base": "file:base", "experts": ["file:alpha", "file:beta"]}
    order = {"recipe": recipe, "folder": str(tmp_path / "job"), "roots": [str(family)]}
    result = merge_in_background(order, lambda progress: None, threading.Event())
    assert Path(result["path"]).is_dir() and len(result["digest"]) == 64
    outside = order | {"roots": [str(tmp_path / "elsewhere")], "folder": str(tmp_path / "two")}
    with pytest.raises(SourceError):
        merge_in_background(outside, lambda progress: None, threading.Event())

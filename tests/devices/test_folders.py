"""Whole merges on a device: folders, notices, cards, and going on after a kill."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from merger import engine
from merger.cli import main
from merger.devices.device import Staged
from merger.devices.drivers import Opened
from merger.devices.fitting import LONGEST_BLOCK, fit
from merger.engine import merge
from merger.jobs.job import Job, JobState
from merger.jobs.merging import merge_in_background
from merger.models import open_models
from merger.plan import TensorPlan
from merger.progress import Progress
from merger.stream import SMALLEST_BLOCK
from tests.devices.far import FarDriver, Rules
from tests.engine.folders import contents, family, listed, read
from viz.jobs_view import job_view

ROOT = Path(__file__).parents[2]
# Enough for the shortest blocks only, so that the larger tensors take several.
SMALL_BLOCKS = 13_000_000
MEMORY = 20_000_000


@pytest.fixture
def far(monkeypatch):
    """Let merges open the pretended device, whatever they ask for."""
    monkeypatch.setattr(engine, "open_driver", lambda name: Opened(FarDriver()))


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_ties", "iso_c", "emr"])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_folder_has_the_weights_that_the_processor_writes(
    tmp_path: Path, method: str, is_late: bool, far, monkeypatch
) -> None:
    recipe = replace(family(tmp_path, dtype=torch.bfloat16), method=method)
    monkeypatch.setattr(Rules, "is_late", is_late)
    told: list[str] = []
    there = merge(
        recipe, tmp_path / "far" / "out", threads=3, memory=SMALL_BLOCKS, tell=told.append
    )
    monkeypatch.undo()
    here = contents(merge(recipe, tmp_path / "near" / "out", device="cpu"))
    found = contents(there)
    cards = [name for name in found if name.endswith("README.md")]
    assert {k: v for k, v in found.items() if k not in cards} == {
        k: v for k, v in here.items() if k not in cards
    }
    for name in cards:
        assert "were computed on far" in found[name].decode()
        assert "writes the same bytes from the same weights" in here[name].decode()
    assert told == []


def test_a_shortage_is_told_once_by_the_merge_the_command_and_the_job(
    tmp_path: Path, far, monkeypatch, capsys
) -> None:
    recipe = family(tmp_path)
    monkeypatch.setattr(FarDriver, "free_bytes", lambda self: 1 << 40)
    monkeypatch.setattr(Rules, "memory", 1000)
    told: list[str] = []
    here = read(merge(recipe, tmp_path / "a", tell=told.append))
    (said,) = told
    assert said.startswith("far is short of memory: 819.2 GiB could be used, and up to ")
    assert "so 2 blocks of 2 tensors were computed on the processor" in said
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert main(["merge", str(path), "--out", str(tmp_path / "b"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["notes"] == [said]
    assert err.count(f"note: {said}\n") == 1
    payload = {"recipe": recipe.to_json(), "folder": str(tmp_path)}
    done = merge_in_background(payload, lambda progress: None, threading.Event())
    assert done["notes"].count(f"note: {said}") == 1
    shown = Job("id", "t", JobState.DONE, 1, 1, "bytes", "", 2.0, None, done)
    assert job_view(shown)["detail"].endswith(f" files, 2.0 s. {said}")
    there = read(tmp_path / "b")
    assert all(torch.equal(there[key], here[key]) for key in here)


def test_a_device_without_any_memory_leaves_everything_to_the_processor(
    tmp_path: Path, monkeypatch
) -> None:
    said = "cuda has no memory left"
    monkeypatch.setattr(engine, "open_driver", lambda name: Opened(None, said))
    told: list[str] = []
    recipe = family(tmp_path / "in")
    whole = contents(merge(recipe, tmp_path / "a" / "out", tell=told.append))
    assert told == [said]
    monkeypatch.undo()
    assert contents(merge(recipe, tmp_path / "b" / "out", device="cpu")) == whole


SCRIPT = """
import os, signal, sys
from merger import engine
from merger.devices.drivers import Opened
from merger.recipe import Recipe
from pathlib import Path
from tests.devices.far import FarDriver
recipe, out, device, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
if device == "far":
    engine.open_driver = lambda name: Opened(FarDriver())
firsts = []
def report(progress):
    if progress.unit == "bytes":
        firsts.append(progress.done)
        if progress.done >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
engine.merge(Recipe.load(recipe), out, threads=1, memory=13_000_000, resume=True, report=report)
print(firsts[0])
"""


def run(recipe: Path, out: Path, device: str, kill_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(recipe), str(out), device, str(kill_at)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_killed_merge_goes_on_on_its_own_device_and_on_another_begins_anew(
    tmp_path: Path,
) -> None:
    recipe = replace(family(tmp_path / "in"), method="ties")
    path = tmp_path / "ties.yaml"
    path.write_text(recipe.to_yaml())
    half, never = 1_000_000, 10**12
    assert run(path, tmp_path / "whole" / "out", "far", never).returncode == 0
    whole = contents(tmp_path / "whole" / "out")
    out = tmp_path / "killed" / "out"
    assert run(path, out, "far", half).returncode == -9
    assert len(listed(out.parent)) == 2
    done = run(path, out, "far", never)
    assert int(done.stdout) > half
    assert contents(out) == whole
    other = tmp_path / "other" / "out"
    assert run(path, other, "cpu", half).returncode == -9
    done = run(path, other, "far", never)
    assert int(done.stdout) < half
    assert contents(other) == whole


def test_progress_and_cancel_are_those_of_the_processor(tmp_path: Path, far) -> None:
    told: list[Progress] = []
    out = merge(family(tmp_path / "in"), tmp_path / "out", report=told.append, threads=3)
    total = sum(t.numel() * t.element_size() for t in read(out).values())
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert (told[-1].done, told[-1].total) == (total, total)


def test_blocks_and_lanes_fit_into_both_memories(tmp_path: Path, monkeypatch) -> None:
    models = open_models(family(tmp_path))

    def cut(tensor: TensorPlan) -> str:
        return models.plan.scope_at(tensor.settings)

    def room(free: int, threads: int = 4, memory: int = 1 << 33) -> tuple[int, int]:
        monkeypatch.setattr(Rules, "memory", free)
        found = fit(models.plan, Opened(FarDriver()), threads, memory, cut)
        assert isinstance(found.device, Staged)
        return found.block, found.workers

    assert room(1 << 40) == (LONGEST_BLOCK, 2)
    assert room(1 << 26) == (1 << 19, 2)
    monkeypatch.setattr(Rules, "is_late", True)
    assert room(1 << 40) == (LONGEST_BLOCK, 4)
    assert room(1 << 40, threads=1) == (LONGEST_BLOCK, 1)
    assert room(1 << 26) == (1 << 18, 4)
    # A little more or less that is free makes no other blocks.
    assert room((1 << 26) + 10**6) == room(1 << 26)
    assert room(0) == (SMALLEST_BLOCK, 4)
    assert room(1 << 40, memory=1)[0] == SMALLEST_BLOCK
    assert fit(models.plan, Opened(None, "why"), 2, None, cut).device.notice() == "why"

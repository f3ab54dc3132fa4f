"""A killed merge leaves no model behind, and goes on where it stopped."""

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from merger.engine import merge
from merger.errors import OutputError
from tests.engine.folders import contents, family, listed, read

ROOT = Path(__file__).parents[2]
# One interpreter, many merges: each runs in a fork, which is killed after so many bytes.
SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
from merger.engine import merge
from merger.errors import MergeError
from merger.recipe import Recipe

recipe = Recipe.load(sys.argv[1])
for job in sys.argv[2:]:
    target, bytes_, resume, limit = job.split(",")

    def report(progress):
        if progress.done >= int(bytes_):
            os.kill(os.getpid(), signal.SIGKILL)

    if os.fork() == 0:
        if int(limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        try:
            merge(recipe, target, threads=2, memory=13_000_000, report=report,
                  resume=bool(int(resume)), shard_bytes=600_000)
        except MergeError as error:
            print(type(error).__name__, error.message, flush=True)
        os._exit(0)
    os.wait()
"""


def run(recipe: Path, *jobs: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(recipe), *jobs],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert not done.stderr
    return done.stdout


def test_a_killed_merge_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    recipe = replace(family(tmp_path / "in"), method="ties")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    whole = merge(recipe, tmp_path / "whole" / "out", threads=1, shard_bytes=600_000)
    total = sum(t.numel() * t.element_size() for t in read(whole).values())
    draw = random.Random(3)
    points = [1, draw.randrange(1, total), draw.randrange(1, total)]
    seeds = [(tmp_path / f"seed{i}" / "out", at) for i, at in enumerate(points)]
    never = 10**12
    jobs = [f"{out},{at},0,0" for out, at in seeds]
    # The first is killed again when all is written and nothing is committed.
    jobs += [f"{seeds[0][0]},{total},1,0"]
    run(path, *jobs)
    for out, _ in seeds:
        assert not out.exists()
        assert len(listed(out.parent)) == 2
    run(path, *[f"{out},{never},1,0" for out, _ in seeds])
    for out, _ in seeds:
        assert listed(out.parent) == ["out"]
        assert contents(out) == contents(whole)


def test_the_next_merge_clears_up_and_a_limit_on_file_size_is_told(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    out = tmp_path / "new" / "out"
    told = run(path, f"{out},500000,0,0", f"{out},500000,0,400000")
    assert told.startswith("OutputError")
    assert "beyond the size allowed" in told
    assert listed(tmp_path / "new") == []


def test_a_target_below_a_file_is_refused(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        merge(recipe, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "kept"
    assert listed(tmp_path) == ["file", "in"]

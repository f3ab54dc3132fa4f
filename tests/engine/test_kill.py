"""A killed merge leaves no model behind, and goes on where it stopped."""

import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from merger.engine import merge
from merger.errors import OutputError
from merger.recipe import Recipe
from tests.engine.folders import contents, family, listed, read
from tests.engine.forks import job, run

# A kernel in one pass, cuts that are measured first, random masks, and a model per expert.
METHODS = ("linear", "ties", "dare_ties", "emr")
SEEDS = 20


def saved(recipe: Recipe, path: Path) -> Path:
    path.write_text(recipe.to_yaml())
    return path


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recipes over one family, by method."""
    folder = tmp_path_factory.mktemp("killed")
    recipe = family(folder / "in")
    return {m: saved(replace(recipe, method=m), folder / f"{m}.yaml") for m in METHODS}


def test_a_killed_merge_goes_on_and_ends_with_the_same_bytes(tmp_path, recipes) -> None:
    recipe = recipes["ties"]
    whole = merge(Recipe.load(recipe), tmp_path / "whole" / "out", threads=1, shard_bytes=600_000)
    total = sum(t.numel() * t.element_size() for t in read(whole).values())
    draw = random.Random(3)
    outs = {
        tmp_path / f"seed{i}" / "out": at
        for i, at in enumerate((1, draw.randrange(1, total), draw.randrange(1, total)))
    }
    # The first is killed again when all is written and nothing is committed.
    ends = run(
        *(job(recipe, out, kill_at_byte=at) for out, at in outs.items()),
        job(recipe, next(iter(outs)), kill_at_byte=total, resume=True),
    )
    assert [end.code for end in ends] == [-9] * 4
    for out in outs:
        assert not out.exists()
        assert len(listed(out.parent)) == 2
    run(*(job(recipe, out, resume=True) for out in outs))
    for out in outs:
        assert listed(out.parent) == ["out"]
        assert contents(out) == contents(whole)


def test_a_merge_killed_anywhere_and_resumed_gives_the_bytes_of_an_undisturbed_one(
    tmp_path, recipes
) -> None:
    wholes = {method: tmp_path / "whole" / method / "out" for method in METHODS}
    ends = dict(zip(METHODS, run(*(job(recipes[m], wholes[m]) for m in METHODS)), strict=True))
    assert not any(end.code or end.said for end in ends.values())
    outs = {tmp_path / f"seed{i}" / "out": METHODS[i % len(METHODS)] for i in range(SEEDS)}
    draw = random.Random(5)
    # Killed twice, wherever it is: while it surveys, computes, writes or commits.
    killed = run(
        *(
            job(recipes[m], out, kill_after=draw.uniform(0.05, 0.9) * ends[m].seconds, resume=True)
            for out, m in outs.items()
            for _ in range(2)
        )
    )
    assert {end.code for end in killed} <= {0, -signal.SIGPROF}
    assert sum(end.code != 0 for end in killed) >= SEEDS // 2
    expected = {method: contents(whole) for method, whole in wholes.items()}
    for out, method in outs.items():
        assert not out.exists() or contents(out) == expected[method]
    # One that was complete before it was to be killed a second time is kept, and says so.
    run(*(job(recipes[method], out, resume=True) for out, method in outs.items()))
    for out, method in outs.items():
        assert listed(out.parent) == ["out"]
        assert contents(out) == expected[method]


def test_the_next_merge_clears_up_and_a_limit_on_file_size_is_told(tmp_path, recipes) -> None:
    out = tmp_path / "new" / "out"
    recipe = recipes["linear"]
    killed, told = run(
        job(recipe, out, kill_at_byte=500_000), job(recipe, out, file_limit=400_000)
    )
    assert killed.code == -9
    assert told.said.startswith("OutputError")
    assert "beyond the size allowed" in told.said
    assert listed(tmp_path / "new") == []


def test_a_target_below_a_file_is_refused(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        merge(recipe, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "kept"
    assert listed(tmp_path) == ["file", "in"]

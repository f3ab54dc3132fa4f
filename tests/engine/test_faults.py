"""Disks that fill up, files that vanish or change, two merges at once: told, nothing broken."""

import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

import pytest
import torch
from safetensors.torch import save_file

from merger import engine
from merger.claim import Claim
from merger.engine import merge
from merger.errors import MergeError, OutputError, SourceError
from merger.progress import Progress
from merger.recipe import Expert, Recipe
from merger.writer import Writer
from tests.adapters import factors, save_adapter
from tests.engine.folders import SHAPES, contents, family, listed, read, tensors
from tests.engine.forks import job, run
from tests.hub import Repo, hub_at_hand

SHARD = 600_000


def saved(recipe: Recipe, path: Path) -> Path:
    path.write_text(recipe.to_yaml())
    return path


def cut_up(folder: Path) -> list[Path]:
    """Store a model in two shards, and return them."""
    weights = read(folder)
    (folder / "model.safetensors").unlink()
    names = {key: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, key in enumerate(weights)}
    for name in sorted(set(names.values())):
        save_file({k: v for k, v in weights.items() if names[k] == name}, folder / name)
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return sorted(folder.glob("*.safetensors"))


def whole_bytes(recipe: Recipe, folder: Path) -> int:
    """Return how many bytes a merge hands to its writer."""
    out = merge(recipe, folder / "whole", shard_bytes=SHARD)
    return sum(path.stat().st_size for path in out.rglob("*.safetensors"))


@pytest.mark.parametrize("method", ["linear", "emr"])
def test_a_disk_that_fills_up_at_any_byte_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    recipe = replace(family(tmp_path / "in", n=2), method=method)
    total = whole_bytes(recipe, tmp_path)
    lock = Lock()
    old = contents(merge(replace(recipe, method="average"), tmp_path / "out"))
    draw = random.Random(method)
    for byte in (0, 7, 200, *(draw.randrange(total) for _ in range(6)), total - 1):
        left = [byte]

        def put(file: int, data: memoryview, offset: int, left: list[int] = left) -> int:
            with lock:
                if left[0] <= 0 < len(data):
                    raise OSError(errno.ENOSPC, "No space left on device")
                written = os.pwrite(file, data[: left[0]], offset)
                left[0] -= written
                return written

        monkeypatch.setattr(engine, "Writer", partial(Writer, put=put))
        with pytest.raises(OutputError, match="the disk is full"):
            merge(recipe, tmp_path / "out", force=True, shard_bytes=SHARD, threads=2)
        assert contents(tmp_path / "out") == old
        assert listed(tmp_path) == ["in", "out", "whole"]


def test_a_file_limit_is_told_wherever_it_strikes(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in", n=2)
    (tmp_path / "in" / "base" / "chat_template.jinja").write_text("x" * 1_000_000)
    path = saved(recipe, tmp_path / "in" / "recipe.yaml")
    out = tmp_path / "out"
    # Of the weights, and of what is copied beside them when these are whole.
    for end in run(job(path, out, file_limit=100_000), job(path, out, file_limit=900_000)):
        assert end.code == 0 and end.said.startswith("OutputError")
        assert "beyond the size allowed" in end.said
    assert listed(tmp_path) == ["in"]


def single(folder: Path) -> tuple[Recipe, list[Path]]:
    return family(folder), [folder / "e1" / "model.safetensors"]


def sharded(folder: Path) -> tuple[Recipe, list[Path]]:
    recipe = family(folder)
    return recipe, cut_up(folder / "base")


def adapter(folder: Path) -> tuple[Recipe, list[Path]]:
    recipe = family(folder)
    pairs = {name: factors(4, *SHAPES[f"{name}.w"], 2) for name in ("layers.0", "layers.1")}
    base = {f"{name}.weight": tensors(0)[f"{name}.w"] for name in pairs}
    save_file(base, folder / "base" / "model.safetensors")
    save_adapter(folder / "lora", pairs)
    experts = (Expert(f"lora:{folder / 'lora'}", "lora"),)
    return replace(recipe, experts=experts), [folder / "lora" / "adapter_model.safetensors"]


SOURCES: dict[str, Callable[[Path], tuple[Recipe, list[Path]]]] = {
    "single": single, "sharded": sharded, "adapter": adapter,
}  # fmt: skip


def test_a_model_that_is_cut_short_during_a_merge_is_told_and_ends_no_process(tmp_path) -> None:
    jobs = []
    for kind, build in SOURCES.items():
        recipe, files = build(tmp_path / kind)
        path = saved(recipe, tmp_path / kind / "recipe.yaml")
        jobs += [
            job(path, tmp_path / "out", cut=str(file), cut_to=to)
            for file in files
            for to in (0, 5000, file.stat().st_size - 1)
        ]
    for end in run(*jobs):
        assert end.code == 0, end
        assert end.said.startswith(("SourceError", "OutputError", "FeedError")), end
        assert "changed while" in end.said or "cut short" in end.said, end
    assert listed(tmp_path) == sorted(SOURCES)


def written_anew(file: Path) -> None:
    file.write_bytes(file.read_bytes())


def replaced(file: Path) -> None:
    file.with_name("new").write_bytes(file.read_bytes())
    file.with_name("new").replace(file)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("change", [written_anew, replaced, Path.unlink])
def test_a_model_that_changes_during_a_merge_is_noticed(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    recipe, files = SOURCES[kind](tmp_path / "in")
    for file in files:
        content, times = file.read_bytes(), file.stat()
        left = [1]

        def strike(progress: Progress, file: Path = file, left: list[int] = left) -> None:
            if left:
                left.pop()
                change(file)

        with pytest.raises(
            SourceError, match=f"{file.name} (changed while|cannot be (read|mapped))"
        ):
            merge(recipe, tmp_path / "out", report=strike, threads=1, memory=13_000_000)
        assert listed(tmp_path) == ["in"]
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_model_of_the_hub_that_changes_in_the_cache_is_noticed(tmp_path, monkeypatch) -> None:
    with hub_at_hand(tmp_path / "hub", monkeypatch) as hub:
        recipe = family(tmp_path / "in", n=1)
        for name in ("base", "e0"):
            files = {p.name: p.read_bytes() for p in (tmp_path / "in" / name).iterdir()}
            hub.repos[f"org/{name}"] = Repo(files)
        recipe = replace(recipe, base="hub:org/base", experts=(Expert("hub:org/e0", "e0"),))
        first = contents(merge(recipe, tmp_path / "first"))
        told: list[Progress] = []

        def strike(progress: Progress) -> None:
            told.append(progress)
            assert progress.note.startswith("tensor"), "nothing is fetched that is there"
            (blob,) = tmp_path.glob("hub/cache/models--org--e0/snapshots/*/model.safetensors")
            os.utime(blob.resolve(), ns=(1, 1))

        with pytest.raises(SourceError, match="changed while it was being read"):
            merge(recipe, tmp_path / "out", report=strike)
        assert told and not (tmp_path / "out").exists()
        again = contents(merge(recipe, tmp_path / "again"))
        assert {k: v for k, v in again.items() if k != "README.md"} == {
            k: v for k, v in first.items() if k != "README.md"
        }


def test_two_processes_and_two_recipes_share_no_target(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    mine = saved(recipe, tmp_path / "in" / "mine.yaml")
    other = saved(replace(recipe, method="average"), tmp_path / "in" / "other.yaml")
    out = tmp_path / "out"
    code = (
        "import sys\nfrom pathlib import Path\nfrom merger.claim import Claim\n"
        "claim = Claim(Path(sys.argv[1]), 'abcd')\nprint('held', flush=True)\n"
        "sys.stdin.read()\nclaim.abandon()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin is not None and holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        for end in run(job(mine, out), job(other, out), job(mine, out, resume=True, force=True)):
            assert end.said.startswith("OutputError: Another merge is writing"), end
        with pytest.raises(OutputError, match="Another merge is writing"):
            Claim(out, "ef01", force=True)
        holder.stdin.close()
    assert listed(tmp_path) == ["in"]
    (end,) = run(job(other, out))
    assert not end.said and listed(tmp_path) == ["in", "out"]


def test_of_merges_that_start_at_once_one_writes_and_the_others_say_so(tmp_path: Path) -> None:
    recipe = family(tmp_path / "in")
    recipes = [recipe, replace(recipe, method="average"), replace(recipe, seed=3)]
    expected = {merge(r, tmp_path / f"w{i}") for i, r in enumerate(recipes)}
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(len(recipes))

    def go(one: Recipe) -> str:
        barrier.wait(60)
        try:
            merge(one, tmp_path / "out", report=lambda progress: None)
        except MergeError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(len(recipes)) as pool:
        said = list(pool.map(go, recipes))
    assert said.count("") == 1
    assert all("Another merge" in text or "exists already" in text for text in said if text)
    weights = read(tmp_path / "out")
    assert any(
        all(torch.equal(weights[k], v) for k, v in read(folder).items()) for folder in expected
    )
    assert listed(tmp_path) == ["in", "out", "w0", "w1", "w2"]

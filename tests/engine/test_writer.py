"""The target is either what it was before or the finished model, whatever happens between."""

import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merger import writer as writer_room
from merger.claim import Claim
from merger.errors import OutputError
from merger.header import TensorInfo, read_header
from merger.layout import read_layout
from merger.shards import lay_out
from merger.writer import Put, Writer

ROOT = Path(__file__).parents[2]
INFOS = [TensorInfo("a", "BF16", (3,)), TensorInfo("b", "F32", (4,)), TensorInfo("c", "I64", ())]
VALUES = {
    "a": torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16),
    "b": torch.tensor([0.5, -1.0, 2.0, 8.0]),
    "c": torch.tensor(7),
}


def raw(key: str) -> memoryview:
    return memoryview(VALUES[key].reshape(-1).view(torch.uint8).numpy())


def writer(
    target: Path,
    *,
    force: bool = False,
    resume: bool = False,
    put: Put = os.pwrite,
    shard_bytes: int = 10**9,
    identity: str = "x",
) -> Writer:
    claim = Claim(target, "abcd1234", force=force, resume=resume)
    return Writer(claim, {"": lay_out(INFOS, shard_bytes=shard_bytes)}, identity, put)


def write_all(out: Writer) -> Path:
    for key in VALUES:
        out.write("", key, 0, raw(key))
    return out.commit()


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_what_safetensors_reads(tmp_path: Path) -> None:
    target = write_all(writer(tmp_path / "out"))
    assert listed(tmp_path) == ["out"]
    assert listed(target) == ["model.safetensors"]
    read = load_file(target / "model.safetensors")
    assert all(torch.equal(read[key], VALUES[key]) for key in VALUES)
    header = read_header(target / "model.safetensors")
    assert header.metadata == {"format": "pt"}
    assert all(place.start % 8 == 0 or key == "a" for key, place in header.places.items())


def test_pieces_in_any_order_make_the_same_bytes(tmp_path: Path) -> None:
    whole = write_all(writer(tmp_path / "whole"))
    out = writer(tmp_path / "pieces")
    for key in reversed(VALUES):
        data = raw(key)
        out.write("", key, 2, data[2:])
        out.write("", key, 0, data[:2])
    pieces = out.commit()
    name = "model.safetensors"
    assert (whole / name).read_bytes() == (pieces / name).read_bytes()


def test_shards_are_as_large_as_asked_and_have_an_index(tmp_path: Path) -> None:
    target = write_all(writer(tmp_path / "out", shard_bytes=16))
    assert listed(target) == [
        "model-00001-of-00003.safetensors",
        "model-00002-of-00003.safetensors",
        "model-00003-of-00003.safetensors",
        "model.safetensors.index.json",
    ]
    assert list(read_layout(target).places) == ["a", "b", "c"]
    assert '"total_size": 30' in (target / "model.safetensors.index.json").read_text()


@pytest.mark.parametrize("sync", [True, False])
def test_the_disk_has_everything_at_the_end_or_the_system_sees_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    begun, flushed = [], []
    monkeypatch.setattr(writer_room, "begin_writeback", lambda *span: begun.append(span))
    flush = os.fsync

    def seen(handle: int) -> None:
        flushed.append(stat.S_ISREG(os.fstat(handle).st_mode))
        flush(handle)

    monkeypatch.setattr(os, "fsync", seen)
    files = lay_out(INFOS, shard_bytes=10**9)
    out = Writer(Claim(tmp_path / "out", "abcd1234"), {"": files}, "x", sync=sync)
    out.write("", "b", 0, raw("b"))
    out.finish(0, [("", "b", 0, len(raw("b")))])
    write_all(out)
    assert [span[1:] for span in begun] == [(files.slots["b"].offset, len(raw("b")))] * sync
    # The folder that the model is in always is: it is there as a whole, or not at all.
    assert flushed == [*[True] * sync, False]


def test_an_abandoned_merge_leaves_nothing(tmp_path: Path) -> None:
    out = writer(tmp_path / "new" / "parent" / "out")
    out.write("", "a", 0, raw("a"))
    out.abandon()
    assert listed(tmp_path) == []


def test_an_existing_folder_is_kept_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "config.json").write_text("old")
    (target / "model.safetensors").write_text("old")
    with pytest.raises(OutputError, match="exists already, and is kept"):
        writer(target)
    assert (target / "config.json").read_text() == "old"
    out = writer(target, force=True)
    assert (target / "config.json").read_text() == "old"
    write_all(out)
    assert listed(target) == ["model.safetensors"]
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "beside",
    [(), ("config.json",), ("recipe.yaml",), ("a/recipe.yaml",), ("m.safetensors", ".git/x")],
)
def test_a_folder_that_is_no_model_is_never_replaced(tmp_path: Path, beside: tuple) -> None:
    for name in beside:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("{}")
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="no merge has written"):
        writer(tmp_path / "out", force=True)
    assert listed(tmp_path) == ["out"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert listed(write_all(writer(tmp_path / "out"))) == ["model.safetensors"]


def test_a_target_that_is_a_file_or_below_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputError, match="is a file"):
        writer(tmp_path / "file")
    with pytest.raises(OutputError, match="a part of its path is a file"):
        writer(tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "text"
    assert listed(tmp_path) == ["file"]


def test_a_link_is_followed_to_the_folder_it_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_all(writer(tmp_path / "link"))
    assert listed(tmp_path / "real") == ["model.safetensors"]
    assert (tmp_path / "link").is_symlink()


def test_the_second_of_two_merges_into_one_folder_is_refused(tmp_path: Path) -> None:
    first = writer(tmp_path / "out")
    with pytest.raises(OutputError, match="Another merge is writing"):
        writer(tmp_path / "out")
    other = writer(tmp_path / "other")
    other.abandon()
    assert listed(write_all(first)) == ["model.safetensors"]
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize("byte", [0, 1, 100, 150, 200, 10_000])
def test_a_disk_that_fills_up_is_an_output_error_and_leaves_nothing(
    tmp_path: Path, byte: int
) -> None:
    left = [byte]

    def put(file: int, data: memoryview, offset: int) -> int:
        if left[0] < len(data):
            written = os.pwrite(file, data[: left[0]], offset) if left[0] else 0
            left[0] = 0
            if written:
                return written
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= len(data)
        return os.pwrite(file, data, offset)

    if byte == 10_000:
        assert write_all(writer(tmp_path / "out", put=put)).exists()
        return
    with pytest.raises(OutputError, match="the disk is full"):
        try:
            out = writer(tmp_path / "out", put=put)
            write_all(out)
        except OutputError:
            if "out" in locals():
                out.abandon()
            raise
    assert listed(tmp_path) == []


def test_a_file_size_limit_is_an_output_error_before_any_work(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "from pathlib import Path\n"
        "from merger.claim import Claim\n"
        "from merger.errors import OutputError\n"
        "from merger.header import TensorInfo\n"
        "from merger.shards import lay_out\n"
        "from merger.writer import Writer\n"
        "claim = Claim(Path(sys.argv[1]), 'ab')\n"
        "try:\n"
        "    Writer(claim, {'': lay_out([TensorInfo('w', 'F32', (1000,))])}, 'x')\n"
        "except OutputError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "beyond the size allowed" in done.stdout
    assert listed(tmp_path) == []


def test_finished_blocks_are_known_after_a_kill_and_only_to_the_same_merge(tmp_path: Path) -> None:
    def killed(identity: str, resume: bool, block: int) -> frozenset[int]:
        out = writer(tmp_path / "out", resume=resume, identity=identity)
        known = out.done
        out.finish(block)
        out._close()
        out.claim.release()
        return known

    assert killed("x", False, 1) == frozenset()
    assert killed("x", True, 5) == {1}
    journal = tmp_path / ".out.merging-abcd1234" / ".blocks.journal"
    with journal.open("a") as file:
        file.write("12")
    assert killed("x", True, 6) == {1, 5}
    assert killed("y", True, 2) == frozenset()
    assert killed("y", False, 3) == frozenset()
    (tmp_path / ".out.merging-abcd1234" / "model.safetensors").write_bytes(b"short")
    assert killed("y", True, 3) == frozenset()


def test_the_next_merge_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / ".out.merging-00ff").mkdir()
    (tmp_path / ".out.merging-00ff" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".out.merging.lock").touch()
    (tmp_path / ".out.merging-notes").mkdir()
    write_all(writer(tmp_path / "out"))
    assert listed(tmp_path) == [".out.merging-notes", "out"]


def test_a_kill_between_the_renames_of_a_commit_loses_no_model(tmp_path: Path) -> None:
    (tmp_path / ".out.replaced-00ff").mkdir()
    (tmp_path / ".out.replaced-00ff" / "config.json").write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        writer(tmp_path / "out")
    assert (tmp_path / "out" / "config.json").read_text() == "old"
    assert listed(tmp_path) == ["out"]


def test_what_a_kill_just_after_the_commit_left_is_removed_by_the_next_attempt(tmp_path) -> None:
    write_all(writer(tmp_path / "out"))
    for name in (".out.replaced-00ff", ".out.merging-00ff"):
        (tmp_path / name).mkdir()
    (tmp_path / ".out.merging.lock").touch()
    with pytest.raises(OutputError, match="exists already"):
        writer(tmp_path / "out", resume=True)
    # A merge that would replace this model can still go on.
    assert listed(tmp_path) == [".out.merging-00ff", "out"]


def test_a_merge_that_is_refused_leaves_another_one_its_lock(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("old")
    first = writer(tmp_path / "out", force=True)
    with pytest.raises(OutputError, match="exists already"):
        writer(tmp_path / "out")
    with pytest.raises(OutputError, match="Another merge is writing"):
        writer(tmp_path / "out", force=True)
    write_all(first)
    assert listed(tmp_path) == ["out"]

"""Reading tensors piece by piece, from files and from memory."""

import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.checkpoint import FileCheckpoint, MemoryCheckpoint
from merger.errors import SourceError

TENSORS = {
    "half": torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16),
    "whole": torch.arange(5),
    "mask": torch.tensor([True, False, True]),
    "scalar": torch.tensor(0.5),
    "none": torch.zeros(0, 3),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path


def test_a_slice_is_flat_and_in_the_stored_dtype(folder: Path) -> None:
    model = FileCheckpoint(folder)
    assert list(model.tensors) == sorted(TENSORS)
    assert model.read("half", 1, 3).tolist() == [2.0, 3.0]
    assert model.read("half").dtype == torch.bfloat16
    assert model.read("half", 3, 99).tolist() == [4.0]
    assert model.read("mask").tolist() == [True, False, True]
    assert model.read("scalar").shape == (1,)
    assert model.read("none").shape == (0,)


def test_memory_and_file_read_the_same(folder: Path) -> None:
    one, other = FileCheckpoint(folder), MemoryCheckpoint(TENSORS)
    assert one.tensors == other.tensors
    for key in TENSORS:
        assert torch.equal(one.read(key, 1), other.read(key, 1))


def test_writing_into_a_slice_never_reaches_the_file(folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    FileCheckpoint(folder).read("half").zero_()
    assert (folder / "model.safetensors").read_bytes() == before


def test_tensors_at_odd_places_are_read_too(tmp_path: Path) -> None:
    text = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    while len(text) % 4 != 1:
        text += b" "
    data = torch.tensor([1.5, -2.0]).numpy().tobytes()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    assert FileCheckpoint(tmp_path).read("w").tolist() == [1.5, -2.0]


def test_a_file_that_changes_while_it_is_read_is_noticed(folder: Path) -> None:
    model = FileCheckpoint(folder)
    model.read("half")
    model.check_unchanged()
    os.truncate(folder / "model.safetensors", 40)
    with pytest.raises(SourceError, match="changed while it was being read"):
        model.read("half")
    with pytest.raises(SourceError, match="changed while it was being read"):
        model.check_unchanged()


def test_more_shards_than_the_soft_limit_of_open_files_are_read(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / str(i)).mkdir()
        save_file({"w": torch.full((2,), float(i))}, tmp_path / str(i) / "model.safetensors")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    models = [FileCheckpoint(tmp_path / str(i)) for i in range(20)]
    with open(os.devnull) as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 5, before[1]))
    try:
        assert [m.read("w").tolist()[0] for m in models] == [float(i) for i in range(20)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_content_id_follows_the_weights_and_not_the_place(tmp_path: Path) -> None:
    ids = []
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        (tmp_path / name).mkdir()
        save_file({"w": torch.full((500_000,), value)}, tmp_path / name / "model.safetensors")
        ids.append(FileCheckpoint(tmp_path / name).content_id())
    assert ids[0] == ids[1] != ids[2]
    model = FileCheckpoint(tmp_path / "a")
    save_file({"w": torch.full((500_000,), 3.0)}, tmp_path / "a" / "model.safetensors")
    os.utime(tmp_path / "a" / "model.safetensors", ns=(1, 1))
    assert model.content_id() not in ids


def test_the_content_id_in_memory_covers_every_number_and_name() -> None:
    one = {"w": torch.zeros(9), "v": torch.ones(2, dtype=torch.bfloat16)}
    ids = {
        MemoryCheckpoint(tensors).content_id()
        for tensors in (
            one,
            {**one, "w": torch.tensor([0.0] * 8 + [1e-9])},
            {**one, "w": torch.zeros(3, 3)},
            {"u": one["w"], "v": one["v"]},
            {**one, "v": torch.ones(2)},
        )
    }
    assert len(ids) == 5
    assert MemoryCheckpoint(one).content_id() == MemoryCheckpoint(dict(one)).content_id()

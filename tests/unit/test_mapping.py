"""A mapped file that is cut short is an error, whoever reads it, and never ends the process."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merger.checkpoint import FileCheckpoint
from merger.errors import SourceError
from merger.mapping import MappedFile

ROOT = Path(__file__).parents[2]
SIZE = 1 << 18


@numba.njit(nogil=True)
def compiled(values: np.ndarray) -> int:
    total = 0
    for value in values:
        total += value
    return total


READERS: dict[str, Callable[[MappedFile], int]] = {
    "torch": lambda file: int(torch.frombuffer(file.data, dtype=torch.uint8).float().sum()),
    "numba": lambda file: compiled(np.frombuffer(file.data, np.uint8)),
    "python": lambda file: sum(bytes(file.data)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "data"
    found.write_bytes(b"\1" * SIZE)
    return found


def test_a_part_that_is_gone_is_refused_before_it_is_touched(path: Path) -> None:
    file = MappedFile(path)
    os.truncate(path, 4096)
    file.fetch(0, 4096)
    with pytest.raises(SourceError, match="data cannot be read any more"):
        file.fetch(5000, 60_000)
    file.check()


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("reader", READERS)
def test_a_part_that_is_lost_while_it_is_read_is_an_error_afterwards(
    path: Path, reader: str, threads: int
) -> None:
    file, other = MappedFile(path), MappedFile(path)
    READERS[reader](file)
    os.truncate(path, 4096)
    found: list[int] = []

    def work() -> None:
        found.append(READERS[reader](file))

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if not threads:
        work()
    assert set(found) == {4096}
    for ask in (file.check, lambda: file.fetch(0, 10)):
        with pytest.raises(SourceError, match="cut short, or the disk fails"):
            ask()
    other.check()


def test_what_is_no_longer_mapped_is_no_longer_watched(path: Path) -> None:
    import merger.mapping as mapping

    file = MappedFile(path)
    values = torch.frombuffer(file.data, dtype=torch.uint8)
    address = file.address
    del file
    gc.collect()
    assert address in mapping._watched[0]
    os.truncate(path, 0)
    assert int(values.sum()) == 0
    del values
    gc.collect()
    assert address not in mapping._watched[0]


def test_a_fault_in_somebody_else_s_memory_ends_the_process_as_ever(path: Path) -> None:
    code = (
        "import mmap, os, sys\nfrom pathlib import Path\nfrom merger.mapping import MappedFile\n"
        "mine = MappedFile(Path(sys.argv[1]))\nfile = open(sys.argv[1], 'rb')\n"
        "theirs = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "os.truncate(sys.argv[1], 0)\nprint(bytes(mine.data)[0], flush=True)\nbytes(theirs)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "0\n"
    assert done.returncode == -signal.SIGBUS


@pytest.mark.parametrize("left", [0, 8])
def test_a_file_that_is_cut_just_before_it_is_mapped_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(4)}, path)
    model = FileCheckpoint(path)
    whole, looked = FileCheckpoint._check_file, []

    def late(self: FileCheckpoint, at: Path) -> None:
        # The first look finds nothing wrong, and then it happens.
        if looked:
            whole(self, at)
        looked.append(at)
        os.truncate(path, left)

    monkeypatch.setattr(FileCheckpoint, "_check_file", late)
    with pytest.raises(SourceError, match="changed while it was being read"):
        model.read("w")

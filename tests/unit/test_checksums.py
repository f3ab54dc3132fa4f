"""Checksums are those that the common tools print, in chunks of any size."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from merger import running_checksum
from merger.checksums import Checksums, checksum
from merger.errors import Cancelled, SourceError
from merger.running_checksum import RunningChecksum

# What the common tools print for these, by the published definition of XXH3.
KNOWN = {
    b"": "99aa06d3014798d86001c324468d497f",
    b"a": "a96faf705af16834e6c632b61e964e1f",
    b"abc": "06b05ab6733a618578af5f94892f3950",
}


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", list(KNOWN))
def test_large_files_get_xxh128_and_small_ones_sha256(tmp_path, monkeypatch, data) -> None:
    path = saved(tmp_path, data)
    assert checksum(path) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    monkeypatch.setattr(running_checksum, "LARGE", 0)
    assert checksum(path) == f"xxh128:{KNOWN[data]}"
    assert checksum(path, "sha256") == f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("kind", ["sha256", "xxh128"])
def test_no_checksum_depends_on_the_size_of_chunks(tmp_path, monkeypatch, kind) -> None:
    path = saved(tmp_path, bytes(i * 7 % 251 for i in range(10_007)))
    whole = checksum(path, kind)
    monkeypatch.setattr(running_checksum, "CHUNK", 96)
    assert checksum(path, kind) == whole


def test_one_other_bit_anywhere_is_another_checksum(tmp_path) -> None:
    data = bytearray(100)
    found = set()
    for i in range(100):
        data[i] ^= 1
        found.add(checksum(saved(tmp_path, bytes(data)), "xxh128"))
        data[i] ^= 1
    assert len(found) == 100


def test_a_cancel_or_a_missing_file_ends_in_words(tmp_path) -> None:
    cancel = Event()
    cancel.set()
    path = saved(tmp_path, b"x")
    with pytest.raises(Cancelled):
        checksum(path, cancel=cancel)
    both = [RunningChecksum(one, "xxh128") for one in (path, tmp_path / "gone")]
    with Checksums(both, cancel=cancel) as sums, pytest.raises(Cancelled):
        sums.of(tmp_path)
    with pytest.raises(SourceError, match="gone cannot be read"):
        checksum(tmp_path / "gone")


@pytest.mark.parametrize("kind", ["sha256", "xxh128"])
@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3), (0, 1, 3, 2), (3, 2, 1, 0), (1, 2, 3), (0, 2), (0, 0, 1), ()], ids=str
)
def test_a_running_checksum_is_that_of_the_file_in_whatever_order_it_was_written(
    tmp_path, kind, order
) -> None:
    data = bytes(i * 7 % 251 for i in range(4000))
    path = saved(tmp_path, data)
    running = RunningChecksum(path, kind)
    for part in order:
        running.add(1000 * part, memoryview(data)[1000 * part :][:1000])
    assert running.finish() == checksum(path, kind)


def test_what_was_written_in_order_is_not_read_again(tmp_path) -> None:
    data = bytes(i * 7 % 251 for i in range(4000))
    whole = checksum(saved(tmp_path, data))
    running = RunningChecksum(saved(tmp_path, data[:3000] + b"?" * 1000), "sha256")
    running.add(0, memoryview(data))
    assert running.finish() == whole


def test_what_was_written_ahead_is_read_as_soon_as_nothing_is_missing_before_it(tmp_path) -> None:
    data = bytes(i * 7 % 251 for i in range(4000))
    path = saved(tmp_path, data)
    whole, running = checksum(path), RunningChecksum(path, "sha256")
    for at in (3000, 1000, 2000, 0):
        running.add(at, memoryview(data)[at : at + 1000])
    path.write_bytes(b"?" * 4000)
    assert running.finish() == whole


def test_what_cannot_be_read_meanwhile_is_told_of_at_the_end(tmp_path) -> None:
    path = tmp_path / "file"
    running = RunningChecksum(path, "sha256")
    running.add(1, memoryview(b"b"))
    running.add(0, memoryview(b"a"))
    with pytest.raises(SourceError, match="file cannot be read"):
        running.finish()
    path.write_bytes(b"abc")
    assert running.finish() == checksum(path)


def test_threads_that_write_at_once_leave_no_gap(tmp_path) -> None:
    data = random.Random(0).randbytes(1 << 22)
    path = saved(tmp_path, data)
    running, parts = RunningChecksum(path, "xxh128"), range(0, len(data), 1 << 12)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: running.add(at, memoryview(data)[at : at + (1 << 12)]), parts))
    assert running.finish() == checksum(path, "xxh128")

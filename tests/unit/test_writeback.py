"""What was written is on its way to the disk before the end."""

import os
import sys
from pathlib import Path

import pytest

from merger import writeback
from merger.writeback import LEAST, begin_writeback


@pytest.mark.parametrize(("size", "is_asked"), [(LEAST, True), (LEAST - 1, False)])
def test_only_long_parts_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, size: int, is_asked: bool
) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(writeback, "_begin", lambda *args: asked.append(args))
    begin_writeback(5, 70, size)
    assert asked == ([(5, 70, size, writeback.WRITE)] if is_asked else [])


def test_where_nothing_can_be_asked_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writeback, "_begin", None)
    begin_writeback(5, 0, LEAST)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has sync_file_range")
def test_the_system_takes_it_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    data = bytes(range(256)) * (LEAST // 128)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(data)
        assert writeback._begin is not None
        assert writeback._begin(file.fileno(), 0, len(data), writeback.WRITE) == 0
        begin_writeback(file.fileno(), 0, len(data))
    assert (tmp_path / "file").read_bytes() == data


def test_a_file_that_cannot_be_asked_about_is_no_error() -> None:
    read, write = os.pipe()
    try:
        begin_writeback(write, 0, LEAST)
    finally:
        os.close(read)
        os.close(write)

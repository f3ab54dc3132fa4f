"""Say which weights a file holds, in a few bytes and without reading all of it.

Two files with one content id are the same for every cache and every recipe digest. The id covers
the header, the sizes and 256 pages at fixed places, so that a 100 GB model costs 1 MB of reading.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from merger.errors import SourceError

PAGES = 256
PAGE_BYTES = 4096
# 20 bytes are far beyond accidents, and short enough to be shown.
ID_BYTES = 20

_known: dict[tuple[str, int, int], bytes] = {}


def content_id(files: Iterable[Path]) -> str:
    """Return the id of the weights in some safetensors files, given in their order."""
    total = hashlib.blake2b(digest_size=ID_BYTES)
    for path in files:
        total.update(_file_digest(path))
    return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            key = (os.path.realpath(path), stat.st_size, stat.st_mtime_ns)
            if key not in _known:
                _known[key] = _digest_pages(file.fileno(), stat.st_size)
            return _known[key]
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Was it moved meanwhile?"
        ) from error


def _digest_pages(file: int, size: int) -> bytes:
    head = os.pread(file, 8, 0)
    data_start = min(8 + int.from_bytes(head, "little"), size)
    total = hashlib.blake2b(head + size.to_bytes(8, "little"), digest_size=64)
    for start, stop in [(8, data_start), *_pages(data_start, size)]:
        position = start
        while position < stop:
            chunk = os.pread(file, min(stop - position, 1 << 20), position)
            if not chunk:
                break
            total.update(chunk)
            position += len(chunk)
    return total.digest()


def _pages(start: int, stop: int) -> list[tuple[int, int]]:
    room = stop - start - PAGE_BYTES
    if room < (PAGES - 1) * PAGE_BYTES:
        return [(start, stop)]
    offsets = [start + i * room // (PAGES - 1) for i in range(PAGES)]
    return [(offset, offset + PAGE_BYTES) for offset in offsets]

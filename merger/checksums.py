"""Checksums of the files of a model, cheap enough for models of any size.

Small files get SHA-256, which every machine can check. Large ones get XXH3 of 128 bits, which
finds damage as surely and takes a ninth of the time; `xxh128sum` and `merger verify` check it.
Neither proves who wrote a file: who can change the weights can change the card beside them.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from threading import Event
from typing import Any

import xxhash

from merger.errors import SourceError
from merger.progress import check_cancel

# From so many bytes on; below it SHA-256 takes less than 10 ms.
LARGE = 1 << 24
# What is read at once stays in the cache of a processor; mapping the file takes longer.
CHUNK = 1 << 20


class Checksums:
    """Checksums that are computed while something else goes on, such as flushing the files.

    Args:
        paths: The files, complete.
        threads: How many are read at once.
        cancel: Stops the reading.
    """

    def __init__(
        self, paths: Sequence[Path], threads: int = 1, cancel: Event | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="checksum")
        self._found: dict[Path, Future[str]] = {
            path: self._pool.submit(checksum, path, cancel=cancel) for path in paths
        }

    def __enter__(self) -> "Checksums":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def of(self, folder: Path) -> Mapping[str, str]:
        """Return the checksums of the files directly in a folder, by name."""
        return {p.name: found.result() for p, found in self._found.items() if p.parent == folder}


def checksum(path: Path, kind: str | None = None, cancel: Event | None = None) -> str:
    """Return a file's checksum as `sha256:…` or `xxh128:…`.

    Args:
        path: The file.
        kind: sha256 or xxh128; the one that suits the file's size when None.
        cancel: Stops the reading.
    """
    try:
        with path.open("rb", buffering=0) as file:
            kind = kind or ("xxh128" if path.stat().st_size >= LARGE else "sha256")
            return f"{kind}:{_digest(KINDS[kind](), _chunks(file, cancel))}"
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from error


def _chunks(file: FileIO, cancel: Event | None) -> Iterator[memoryview]:
    room = memoryview(bytearray(CHUNK))
    while size := file.readinto(room):
        check_cancel(cancel)
        yield room[:size]


def _digest(total: Any, chunks: Iterator[memoryview]) -> str:
    for chunk in chunks:
        total.update(chunk)
    return total.hexdigest()


KINDS: Mapping[str, Callable[[], Any]] = {"sha256": hashlib.sha256, "xxh128": xxhash.xxh3_128}

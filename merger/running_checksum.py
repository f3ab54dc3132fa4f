"""The checksum of a file that is being written.

What is written in order is added while it is in the cache of the processor. What is written out of
order, as several threads do, is read again when the file is complete, with all that follows it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal

import xxhash

from merger.errors import SourceError
from merger.progress import check_cancel

Kind = Literal["sha256", "xxh128"]
KINDS: Mapping[str, Callable[[], Any]] = {"sha256": hashlib.sha256, "xxh128": xxhash.xxh3_128}
# From so many bytes on a file gets XXH3; below it SHA-256 takes less than 10 ms.
LARGE = 1 << 24
# What is read at once stays in the cache of a processor; mapping the file takes longer.
CHUNK = 1 << 20


def kind_for(size: int) -> str:
    """Return the kind of checksum that suits a file of so many bytes."""
    return "xxh128" if size >= LARGE else "sha256"


class RunningChecksum:
    """A file's checksum as far as it is known; safe to use from many threads.

    Args:
        path: The file.
        kind: sha256 or xxh128.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self._kind = kind
        self._total = KINDS[kind]()
        self._known = 0
        self._lock = Lock()

    def add(self, start: int, data: memoryview) -> None:
        """Take what was written from byte `start` on, if it is what follows."""
        # Another thread would have to wait, and does so for nothing where it is out of order.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if start == self._known:
                self._total.update(data)
                self._known += len(data)
        finally:
            self._lock.release()

    def finish(self, cancel: Event | None = None) -> str:
        """Return the checksum of the complete file as `sha256:…` or `xxh128:…`.

        Args:
            cancel: Stops the reading.

        Raises:
            SourceError: The file cannot be read.
        """
        try:
            with self._lock, self.path.open("rb", buffering=0) as file:
                file.seek(self._known)
                for chunk in _chunks(file, cancel):
                    self._total.update(chunk)
                    self._known += len(chunk)
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check the path and its rights.",
            ) from error
        return f"{self._kind}:{self._total.hexdigest()}"


def _chunks(file: FileIO, cancel: Event | None) -> Iterator[memoryview]:
    room = memoryview(bytearray(CHUNK))
    while size := file.readinto(room):
        check_cancel(cancel)
        yield room[:size]

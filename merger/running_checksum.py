"""The checksum of a file that is being written.

What is written in order is added while it is in the cache of the processor. What is written ahead
of that, as several threads do, is read again as soon as nothing is missing before it, which is
mostly a moment later; the rest when the file is complete.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, local
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
        # Where parts end that were written ahead, by where they begin.
        self._ahead: dict[int, int] = {}
        self._is_adding = False
        self._lock = Lock()

    def add(self, start: int, data: memoryview) -> None:
        """Take what was written from byte `start` on, and what was written ahead after it.

        One thread adds; what others bring meanwhile waits for it, or for the end.
        """
        with self._lock:
            if self._is_adding or start != self._known:
                if start >= self._known:
                    self._ahead[start] = start + len(data)
                return
            self._is_adding = True
        self._total.update(data)
        stop = self._next(len(data))
        while stop is not None:
            # What cannot be read is tried once more at the end, which says what is wrong.
            with suppress(OSError):
                self._read(stop)
            stop = self._next(0)

    def _next(self, size: int) -> int | None:
        """Count bytes that were added; return where what follows them ends, if it is there."""
        with self._lock:
            self._known += size
            start = stop = self._known
            while stop in self._ahead:
                stop = self._ahead.pop(stop)
            self._is_adding = stop > start
            return stop if self._is_adding else None

    def finish(self, cancel: Event | None = None) -> str:
        """Return the checksum of the complete file as `sha256:…` or `xxh128:…`.

        Args:
            cancel: Stops the reading.

        Raises:
            SourceError: The file cannot be read.
        """
        try:
            self._read(None, cancel)
        except OSError as error:
            raise SourceError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check the path and its rights.",
            ) from error
        return f"{self._kind}:{self._total.hexdigest()}"

    def _read(self, stop: int | None, cancel: Event | None = None) -> None:
        """Add the file from what is known on to byte `stop`, or to its end."""
        room = _room()
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._known)
            while stop is None or self._known < stop:
                check_cancel(cancel)
                size = file.readinto(room if stop is None else room[: stop - self._known])
                if not size:
                    return
                self._total.update(room[:size])
                self._known += size


_rooms = local()


def _room() -> memoryview:
    """Return memory that belongs to this thread: new memory for each part would be slow."""
    if not hasattr(_rooms, "room"):
        _rooms.room = memoryview(bytearray(CHUNK))
    return _rooms.room

"""Checksums of the files of a model, cheap enough for models of any size.

Small files get SHA-256, which every machine can check. Large ones get XXH3 of 128 bits, which
finds damage as surely and takes a ninth of the time; `xxh128sum` and `merger verify` check it.
Neither proves who wrote a file: who can change the weights can change the card beside them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from merger.errors import SourceError
from merger.running_checksum import RunningChecksum, kind_for


class Checksums:
    """Checksums that are finished while something else goes on, such as flushing the files.

    Args:
        running: Those of the files, which are complete.
        threads: How many are read at once.
        cancel: Stops the reading.
    """

    def __init__(
        self, running: Sequence[RunningChecksum], threads: int = 1, cancel: Event | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="checksum")
        self._found: dict[Path, Future[str]] = {
            one.path: self._pool.submit(one.finish, cancel) for one in running
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
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from error
    return RunningChecksum(path, kind or kind_for(size)).finish(cancel)

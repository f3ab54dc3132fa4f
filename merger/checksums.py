"""Checksums of the files of a model, cheap enough for models of any size.

Small files get SHA-256, which every machine can check. Large ones get XXH64, which finds damage
as surely and takes a fifth of the processor time; `xxh64sum` and `merger verify` check it.
Neither proves who wrote a file: who can change the weights can change the card beside them.
"""

import hashlib
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np

from merger.errors import SourceError
from merger.progress import check_cancel

# From so many bytes on, SHA-256 would take more than a tenth of the time of a linear merge.
LARGE = 1 << 28
CHUNK = 1 << 26
STRIPE = 32
MASK = (1 << 64) - 1
# Constants of XXH64, from its specification.
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)  # fmt: skip


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
    """Return a file's checksum as `sha256:…` or `xxh64:…`.

    Args:
        path: The file.
        kind: sha256 or xxh64; the one that suits the file's size when None.
        cancel: Stops the reading.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            kind = kind or ("xxh64" if size >= LARGE else "sha256")
            if size == 0:
                return f"{kind}:{KINDS[kind](iter(()))}"
            # Left to the collector: an error on the way still holds views of it.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return f"{kind}:{KINDS[kind](_chunks(data, cancel))}"
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from error


def _chunks(data: mmap.mmap, cancel: Event | None) -> Iterator[np.ndarray]:
    for start in range(0, len(data), CHUNK):
        check_cancel(cancel)
        yield np.frombuffer(data, np.uint8, min(CHUNK, len(data) - start), start)


def _sha256(chunks: Iterator[np.ndarray]) -> str:
    total = hashlib.sha256()
    for chunk in chunks:
        total.update(chunk)
    return total.hexdigest()


def _xxh64(chunks: Iterator[np.ndarray]) -> str:
    from merger.kernels.xxh64 import add_stripes  # noqa: PLC0415  (loads numba)

    lanes = np.array([(P1 + P2) & MASK, P2, 0, -P1 & MASK], np.uint64)
    size, rest = 0, b""
    for chunk in chunks:
        # Every chunk but the last is whole stripes.
        whole = len(chunk) // STRIPE * STRIPE
        add_stripes(lanes, chunk[:whole].view(np.uint64))
        size, rest = size + len(chunk), chunk[whole:].tobytes()
    value = _joined([int(lane) for lane in lanes]) if size >= STRIPE else P5
    return f"{_finished(value + size, rest):016x}"


def _joined(lanes: Sequence[int]) -> int:
    turns = (1, 7, 12, 18)
    value = sum(_turn(lane, by) for lane, by in zip(lanes, turns, strict=True)) & MASK
    for lane in lanes:
        value = ((value ^ _mixed(lane)) * P1 + P4) & MASK
    return value


def _finished(value: int, rest: bytes) -> int:
    """Take in the last bytes, fewer than a stripe, and mix all bits."""
    value &= MASK
    while len(rest) >= 8:
        value ^= _mixed(int.from_bytes(rest[:8], "little"))
        value, rest = (_turn(value, 27) * P1 + P4) & MASK, rest[8:]
    if len(rest) >= 4:
        value ^= int.from_bytes(rest[:4], "little") * P1 & MASK
        value, rest = (_turn(value, 23) * P2 + P3) & MASK, rest[4:]
    for byte in rest:
        value = _turn(value ^ (byte * P5 & MASK), 11) * P1 & MASK
    value = (value ^ value >> 33) * P2 & MASK
    value = (value ^ value >> 29) * P3 & MASK
    return value ^ value >> 32


def _mixed(word: int) -> int:
    return _turn(word * P2 & MASK, 31) * P1 & MASK


def _turn(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & MASK


KINDS: Mapping[str, Callable[[Iterator[np.ndarray]], str]] = {"sha256": _sha256, "xxh64": _xxh64}

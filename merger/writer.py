"""Write a model header first and then in blocks, in any order, without holding it in memory."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from merger.claim import Claim, output_errors
from merger.journal import Journal
from merger.running_checksum import RunningChecksum, kind_for
from merger.shards import Files, ShardFile
from merger.writeback import begin_writeback

# (file, data, offset) -> bytes written, as os.pwrite.
Put = Callable[[int, memoryview, int], int]
# Part of a tensor: (folder, key, first byte, length in bytes).
Span = tuple[str, str, int, int]


class Writer:
    """The growing weight files of one merge, thread-safe.

    `sums` are their checksums as far as they are written in order, by folder and name.

    Args:
        claim: The right to write the target.
        models: The files to be, by subfolder of the target; "" is the target itself.
        identity: What must be equal for a resumed merge to go on.
        put: How bytes reach a file; tests hand in one that fails.
        sync: Whether all is on the disk when it is complete; else the system writes it by and by.
    """

    def __init__(
        self,
        claim: Claim,
        models: Mapping[str, Files],
        identity: str,
        put: Put = os.pwrite,
        *,
        sync: bool = True,
    ) -> None:
        self.claim = claim
        self._sync = sync
        self._models = models
        self._put = put
        self._lock = Lock()
        self._handles: dict[tuple[str, str], int] = {}
        self.sums = {
            (folder, shard.name): RunningChecksum(self._path(folder, shard), kind_for(shard.size))
            for folder, shard in self._shards()
        }
        self._journal: Journal | None = None
        try:
            with output_errors(claim.target):
                self._journal = Journal(claim.folder, _identity(identity, models))
                if not self._are_files_there():
                    self._journal.remove()
                    self._journal = Journal(claim.folder, _identity(identity, models))
                self._open_files(fresh=not self._journal.done)
        except BaseException:
            self.abandon()
            raise

    @property
    def done(self) -> frozenset[int]:
        """Blocks that an interrupted run of this merge has written already."""
        return frozenset(self._journal.done) if self._journal else frozenset()

    def write(self, folder: str, key: str, at: int, data: memoryview) -> None:
        """Write some bytes of a tensor, the first of them at byte `at` of the tensor."""
        slot = self._models[folder].slots[key]
        name, start = (folder, slot.file), slot.offset + at
        with output_errors(self.claim.target):
            self._put_all(self._handles[name], data, start)
        self.sums[name].add(start, data)

    def finish(self, block: int, spans: Iterable[Span] = ()) -> None:
        """Note that a block has been written in full, and have it on its way to the disk.

        Args:
            block: Its number.
            spans: Where it lies: folder, tensor, its first byte there, and its length in bytes.
        """
        assert self._journal is not None
        for folder, key, at, size in spans if self._sync else ():
            slot = self._models[folder].slots[key]
            begin_writeback(self._handles[folder, slot.file], slot.offset + at, size)
        with self._lock, output_errors(self.claim.target):
            self._journal.add(block)

    def flush(self) -> None:
        """See to it that all bytes are on the disk, and add the indexes; no block may follow."""
        with output_errors(self.claim.target):
            for handle in self._handles.values() if self._sync else ():
                os.fsync(handle)
            self._close()
            for folder, files in self._models.items():
                if files.index is not None:
                    path = self.claim.folder / folder / files.index_name
                    path.write_text(files.index, "utf-8", newline="\n")

    def commit(self) -> Path:
        """Make the target the finished model, and return it."""
        assert self._journal is not None
        try:
            self.flush()
            with output_errors(self.claim.target):
                self._journal.remove()
            return self.claim.commit()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Remove everything that was written."""
        self._close()
        self.claim.abandon()

    def _close(self) -> None:
        while self._handles:
            _, handle = self._handles.popitem()
            with suppress(OSError):
                os.close(handle)
        if self._journal is not None:
            self._journal.close()

    def _shards(self) -> list[tuple[str, ShardFile]]:
        return [
            (folder, shard) for folder, files in self._models.items() for shard in files.shards
        ]

    def _path(self, folder: str, shard: ShardFile) -> Path:
        return self.claim.folder / folder / shard.name

    def _are_files_there(self) -> bool:
        for folder, shard in self._shards():
            try:
                with self._path(folder, shard).open("rb") as file:
                    whole = os.fstat(file.fileno()).st_size == shard.size
                    if not whole or file.read(len(shard.head)) != shard.head:
                        return False
            except OSError:
                return False
        return True

    def _open_files(self, fresh: bool) -> None:
        for folder, shard in self._shards():
            path = self._path(folder, shard)
            path.parent.mkdir(exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if fresh else 0)
            handle = os.open(path, flags, 0o644)
            self._handles[folder, shard.name] = handle
            if fresh:
                # Taking all space now tells of a full disk before hours of work, not after.
                _allocate(handle, shard.size)
                self._put_all(handle, memoryview(shard.head), 0)
                self.sums[folder, shard.name].add(0, memoryview(shard.head))

    def _put_all(self, handle: int, data: memoryview, offset: int) -> None:
        while data:
            written = self._put(handle, data, offset)
            data, offset = data[written:], offset + written


def _allocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)


def _identity(identity: str, models: Mapping[str, Files]) -> str:
    total = hashlib.blake2b(identity.encode(), digest_size=16)
    for folder, files in models.items():
        total.update(folder.encode())
        for shard in files.shards:
            total.update(shard.name.encode() + shard.head)
    return total.hexdigest()

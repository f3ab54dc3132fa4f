"""Map files into memory, and learn that a part cannot be read before it is touched.

What is touched in a mapping and cannot be read, because the file was cut short or the disk fails,
ends the whole process with SIGBUS: there is no error to catch. So each part is asked for first,
which costs a fraction of a millisecond and answers with an error. What remains is a file that is
cut short while parts of it that were there are being computed with: that still ends the process.
The target is untouched then too, and the next merge into it clears up.
"""

import ctypes
import errno
import mmap
import resource
import sys
from pathlib import Path

from merger.errors import SourceError

# A private mapping is writable memory to torch and yet never reaches the file; without a reserve
# the kernel does not count it, so that a file larger than memory can be mapped (Linux only).
IS_LINUX = sys.platform == "linux"
MAP_FLAGS = mmap.MAP_PRIVATE | (0x4000 if IS_LINUX else 0)
# Linux 5.14 and later; older ones do not know the number, and other systems have no such call.
MADV_POPULATE_READ = 22
UNREADABLE = (errno.EFAULT, errno.EIO, getattr(errno, "EHWPOISON", 133))


def open_map(path: Path) -> mmap.mmap:
    """Map a whole file for reading.

    Raises:
        SourceError: The file cannot be mapped.
    """
    try:
        try:
            return _map_file(path)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            # Each mapping holds a file open, and many sharded experts have more shards than the
            # usual soft limit, which every process may raise.
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return _map_file(path)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be mapped: {error}.",
            "Is it still there, and are you allowed to read it?",
        ) from error


def fetch_pages(address: int, size: int, path: Path) -> None:
    """Bring a part of a mapped file into memory.

    Args:
        address: Where the part begins in memory.
        size: Its bytes.
        path: The file, for the message.

    Raises:
        SourceError: The part is no longer there, or the disk cannot read it.
    """
    if not IS_LINUX:
        return
    start = address - address % mmap.PAGESIZE
    # Through ctypes because mmap.madvise would hold up all other threads while the disk reads.
    if _madvise(start, address + size - start, MADV_POPULATE_READ) == 0:
        return
    number = ctypes.get_errno()
    if number in UNREADABLE:
        raise SourceError(
            f"{path} cannot be read any more: it was cut short, or the disk fails.",
            "Check the disk, and start again when nothing writes to the file.",
        )


def _map_file(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, flags=MAP_FLAGS, prot=mmap.PROT_READ | mmap.PROT_WRITE)


_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_madvise.restype = ctypes.c_int

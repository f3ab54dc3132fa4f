"""Map files into memory so that one which cannot be read ends in an error, not in a crash.

Where a mapped page cannot be had, because the file was cut short or the disk fails, the system
sends SIGBUS to the thread that touches it, and by default the process is gone. Two things prevent
that. Each part is asked for before it is used, which costs a fraction of a millisecond and answers
with an error. And a page that is lost afterwards, while it is computed with, is replaced by zeros
and its file is marked: whoever reads looks at the mark, before every part and at the end.
"""

import ctypes
import errno
import mmap
import platform
import resource
import signal
import sys
import weakref
from bisect import bisect_right
from pathlib import Path
from threading import RLock

from merger.errors import SourceError

IS_LINUX = sys.platform == "linux"
# A private mapping is writable memory to torch and yet never reaches the file; without a reserve
# the kernel does not count it, so that a file larger than memory can be mapped (Linux only).
MAP_FLAGS = mmap.MAP_PRIVATE | (0x4000 if IS_LINUX else 0)
# Linux 5.14 and later; older ones do not know the number, and other systems have no such call.
MADV_POPULATE_READ = 22
# So many bytes are remembered together, by one byte.
GRANULE = 1 << 16
UNREADABLE = (errno.EFAULT, errno.EIO, getattr(errno, "EHWPOISON", 133))
# Where the layout of the structures below is known; elsewhere SIGBUS is what it always was.
IS_GUARDED = IS_LINUX and platform.machine() in ("x86_64", "aarch64")
SA_SIGINFO, SA_RESTART = 0x4, 0x10000000
ZEROS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000 | 0x10  # without reserve, at this place
FAILED = ctypes.c_void_p(-1).value


class MappedFile:
    """A file in memory.

    Args:
        path: The file.

    Raises:
        SourceError: It cannot be mapped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = _open_map(path)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self._is_cut = [False]
        # 1 for each granule that was there once, as a whole.
        self._fetched = bytearray(-(-len(self.data) // GRANULE))
        if IS_GUARDED:
            _watch(self.address, len(self.data), self._is_cut)
            # What still reads the mapping holds it, and not this object.
            weakref.finalize(self.data, _forget, self.address).atexit = False

    def fetch(self, start: int, size: int) -> None:
        """Bring a part of the file into memory.

        Raises:
            SourceError: It is no longer there, or the disk cannot read it.
        """
        self.check()
        stop = start + size
        touched = slice(start // GRANULE, -(-stop // GRANULE))
        # What was there once and is lost later is noticed by its mark.
        if not IS_LINUX or (IS_GUARDED and 0 not in self._fetched[touched]):
            return
        # Through ctypes because mmap.madvise would hold up all other threads while the disk reads.
        begin = start - start % mmap.PAGESIZE
        address, length = self.address + begin, stop - begin
        if _madvise(address, length, MADV_POPULATE_READ) and ctypes.get_errno() in UNREADABLE:
            raise _lost(self.path)
        whole = range(-(-start // GRANULE), stop // GRANULE)
        self._fetched[whole.start : whole.stop] = b"\1" * len(whole)

    def check(self) -> None:
        """Raise SourceError when a part was lost while it was in use."""
        if self._is_cut[0]:
            raise _lost(self.path)


def _lost(path: Path) -> SourceError:
    return SourceError(
        f"{path} cannot be read any more: it was cut short, or the disk fails.",
        "Check the disk, and start again when nothing writes to the file.",
    )


def _open_map(path: Path) -> mmap.mmap:
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


def _map_file(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, flags=MAP_FLAGS, prot=mmap.PROT_READ | mmap.PROT_WRITE)


_libc = ctypes.CDLL(None, use_errno=True)
_madvise = _libc.madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_mmap = _libc.mmap
_mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
)  # fmt: skip
_mmap.restype = ctypes.c_void_p


class _SigInfo(ctypes.Structure):
    """What the system says of a signal, as far as it is needed: the address that was touched."""

    _fields_ = [
        ("signal", ctypes.c_int), ("error", ctypes.c_int), ("code", ctypes.c_int),
        ("gap", ctypes.c_int), ("address", ctypes.c_void_p),
    ]  # fmt: skip


_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_SigInfo), ctypes.c_void_p)


class _SigAction(ctypes.Structure):
    _fields_ = [
        ("handler", ctypes.c_void_p), ("mask", ctypes.c_ulong * 16), ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]  # fmt: skip


# Begins of mappings in order, and for each its end and its mark; replaced, never changed, since
# the handler may run between any two instructions.
_watched: tuple[tuple[int, ...], tuple[tuple[int, list[bool]], ...]] = ((), ())
# A mapping may be collected by the very thread that adds one.
_lock = RLock()
_before = _SigAction()


@_Handler
def _replace_page(number: int, info: "ctypes._Pointer[_SigInfo]", context: int) -> None:
    """Put zeros where a page of a watched file was, and mark the file.

    Python may run here: the thread was reading a mapped page, and holds no lock but perhaps the
    interpreter's own, which it then has.
    """
    address = info.contents.address or 0
    begins, ends = _watched
    place = bisect_right(begins, address) - 1
    if place < 0 or address >= ends[place][0]:
        # Somebody else's memory: what was there before us decides, at the second touch.
        _libc.sigaction(number, ctypes.byref(_before), None)
        return
    stop, mark = ends[place]
    mark[0] = True
    page = address - address % mmap.PAGESIZE
    if _mmap(page, stop - page, mmap.PROT_READ | mmap.PROT_WRITE, ZEROS, -1, 0) == FAILED:
        _libc.sigaction(number, ctypes.byref(_before), None)


def _watch(address: int, size: int, mark: list[bool]) -> None:
    with _lock:
        if not _watched[0]:
            handler = ctypes.cast(_replace_page, ctypes.c_void_p)
            mine = _SigAction(handler, (ctypes.c_ulong * 16)(), SA_SIGINFO | SA_RESTART, None)
            _libc.sigaction(int(signal.SIGBUS), ctypes.byref(mine), ctypes.byref(_before))
        _set({**dict(zip(*_watched, strict=True)), address: (address + size, mark)})


def _forget(address: int) -> None:
    with _lock:
        table = dict(zip(*_watched, strict=True))
        table.pop(address, None)
        _set(table)
        if not table:
            _libc.sigaction(int(signal.SIGBUS), ctypes.byref(_before), None)


def _set(table: dict[int, tuple[int, list[bool]]]) -> None:
    global _watched
    begins = tuple(sorted(table))
    _watched = begins, tuple(table[begin] for begin in begins)

"""Have the system write to the disk what a file was given, while more is computed."""

import ctypes
import sys

# Shorter ones would share pages of the disk with what comes next, which would be written twice.
LEAST = 1 << 20
WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin, and wait for nothing

_begin = getattr(ctypes.CDLL(None), "sync_file_range", None) if sys.platform == "linux" else None
if _begin is not None:
    _begin.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin_writeback(handle: int, start: int, size: int) -> None:
    """Begin to write a part of a file to the disk, where the system can be asked to.

    Nothing is promised: what fails, fails again when the file is flushed at the end.

    Args:
        handle: The file.
        start: Its first byte that was written.
        size: How many; few are left for the end.
    """
    if _begin is not None and size >= LEAST:
        _begin(handle, start, size, WRITE)

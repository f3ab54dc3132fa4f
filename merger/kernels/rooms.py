"""Memory that is used again by the next tensor.

The system gives new memory as zeros, page by page, which takes longer than to fill it.
"""

import weakref
from threading import Lock

import numpy as np


class Rooms:
    """Lends room to objects as long as they live; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._free: list[np.ndarray] = []

    def lend(self, size: int, owner: object) -> np.ndarray:
        """Return so many bytes of whatever was there, which are the owner's while it lives."""
        with self._lock:
            self._free.sort(key=len)
            place = next((i for i, room in enumerate(self._free) if len(room) >= size), None)
            if place is not None:
                room = self._free.pop(place)
            else:
                # The largest one is too small: the new one takes its place.
                del self._free[-1:]
                room = np.empty(size, np.uint8)
        # What lies here when the process ends is gone with it.
        weakref.finalize(owner, self._take_back, room).atexit = False
        return room[:size]

    def _take_back(self, room: np.ndarray) -> None:
        # The collector may run in the very thread that holds the lock.
        self._free.append(room)

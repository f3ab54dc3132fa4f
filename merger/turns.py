"""Who merges which block next."""

from collections import deque
from collections.abc import Sequence
from threading import Lock

from merger.compute import Block

Task = tuple[int, Block]


class Turns:
    """Hands out blocks; safe to use from many threads.

    What is measured of a tensor before its first block takes one thread, so each worker has a
    tensor of its own as long as there are any, the longest first; at the end all help with what is
    left. A single worker goes through the tensors in their order; so do all together where there
    is nothing to do before, and what they write is nearly in order.

    Args:
        blocks: All of them, with their numbers; those of one tensor follow each other.
        workers: How many there are.
        by_tensor: Whether a tensor takes long before its first block, or is merged in one.
    """

    def __init__(self, blocks: Sequence[Task], workers: int, *, by_tensor: bool = True) -> None:
        self._lock = Lock()
        by_key: dict[str, deque[Task]] = {}
        for number, block in blocks:
            by_key.setdefault(block.key, deque()).append((number, block))
        self.keys = list(by_key)
        if workers > 1 and by_tensor:
            self.keys.sort(key=lambda key: -by_key[key][-1][1].stop)
        self._waiting = deque(by_key[key] for key in self.keys)
        if not by_tensor:
            self._waiting = deque([deque(blocks)] if blocks else [])
        self._begun: list[deque[Task]] = []
        self._own: dict[int, deque[Task]] = {}

    def take(self, worker: int) -> Task | None:
        """Return what a worker does next, or None when nothing is left."""
        with self._lock:
            own = self._own.get(worker)
            if not own:
                own = self._next()
                if own is None:
                    return None
                self._own[worker] = own
            return own.popleft()

    def stop(self) -> None:
        """Hand out nothing any more."""
        with self._lock:
            self._waiting.clear()
            self._begun.clear()
            self._own.clear()

    def _next(self) -> deque[Task] | None:
        if self._waiting:
            self._begun.append(self._waiting.popleft())
            return self._begun[-1]
        self._begun = [tasks for tasks in self._begun if tasks]
        return max(self._begun, key=len, default=None)

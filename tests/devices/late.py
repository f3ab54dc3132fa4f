"""Work that is done as late as it may be, as the streams of a GPU do it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import NamedTuple


class Queue:
    """Work of one lane that waits until somebody has to know its result."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []
        self.done = 0

    def flush(self, until: int | None = None) -> None:
        """Do what waits, all of it or up to a place."""
        count = len(self.waiting) if until is None else max(0, until - self.done)
        for step in self.waiting[:count]:
            step()
        del self.waiting[:count]
        self.done += count


class Mark(NamedTuple):
    """A place in a queue."""

    queue: Queue
    at: int

    def synchronize(self) -> None:
        """Do everything before it."""
        self.queue.flush(self.at)


_here = local()


def now() -> Queue | None:
    """Return the queue that the work of this thread waits in, if it is in one."""
    return getattr(_here, "queue", None)


@contextmanager
def waiting_in(queue: Queue | None) -> Iterator[None]:
    """Let the work of this thread wait in a queue."""
    _here.queue = queue
    try:
        yield
    finally:
        _here.queue = None

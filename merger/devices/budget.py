"""So much may be taken at once; who needs more than is left waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class Budget:
    """An amount that threads share.

    Args:
        size: How much there is.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size
        self._changed = Condition()
        self._turn = Lock()

    @contextmanager
    def take(self, need: int) -> Iterator[None]:
        """Hold an amount of at most `size`, and wait for it where others hold too much."""
        # Others queue up behind who waits, or small needs would pass a large one for ever.
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._left >= need)
            self._left -= need
        try:
            yield
        finally:
            with self._changed:
                self._left += need
                self._changed.notify_all()

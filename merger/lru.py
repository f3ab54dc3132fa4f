"""Things worth keeping in memory, the least recently used of which goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Lru(Generic[V]):
    """A cache with a budget; safe to use from many threads, each value is made once.

    Args:
        budget: How much may be kept, in the unit of `cost`.
        cost: What a value takes, such as its bytes.
        least: So many of the newest values stay whatever they take.
    """

    def __init__(
        self, budget: int, cost: Callable[[V], int] = lambda _: 1, least: int = 1
    ) -> None:
        self.budget = budget
        self.least = least
        self._cost = cost
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._used = 0
        self._making: dict[Hashable, Lock] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def used(self) -> int:
        """How much of the budget is taken."""
        with self._lock:
            return self._used

    def values(self) -> list[V]:
        """Return what is kept, the most recently used first."""
        with self._lock:
            return [value for value, _ in reversed(self._kept.values())]

    def get(self, key: Hashable) -> V | None:
        """Return a kept value and mark it as used, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value, and let go of old ones that exceed the budget."""
        cost = self._cost(value)
        with self._lock:
            self._let_go(key)
            self._kept[key] = (value, cost)
            self._used += cost
            while self._used > self.budget and len(self._kept) > self.least:
                self._let_go(next(iter(self._kept)))

    def get_or_make(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the kept value, or make it; who asks meanwhile waits and gets the same one."""
        value = self.get(key)
        if value is not None:
            return value
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            value = self.get(key)
            if value is None:
                try:
                    value = make()
                    self.put(key, value)
                finally:
                    with self._lock:
                        self._making.pop(key, None)
        return value

    def drop(self, key: Hashable) -> None:
        """Let go of one value, if it is kept."""
        with self._lock:
            self._let_go(key)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            self._used = 0

    def _let_go(self, key: Hashable) -> None:
        self._used -= self._kept.pop(key, (None, 0))[1]

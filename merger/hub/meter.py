"""How much of a repository has come so far, added up from what is told of each file."""

import threading
from typing import Any

from merger.errors import Cancelled
from merger.hub.asking import Wish
from merger.progress import Progress, check_cancel


class Meter:
    """Adds up what all files have got so far, and stops them when asked to."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._lock = threading.Lock()
        self._got: dict[str, int] = {}
        self._total = 0
        # What is in the cache already is not told of: there is nothing to wait for.
        self._is_fetching = False
        self.stop = threading.Event()

    def expect(self, size: int) -> None:
        self._total += size

    def check(self) -> None:
        check_cancel(self._wish.cancel)
        if self.stop.is_set():
            raise Cancelled("Stopped because another file could not be fetched.")

    def file(self, name: str) -> "Bar":
        """Return what huggingface_hub tells of one file, from its beginning."""
        with self._lock:
            self._got[name] = 0
        return Bar(self, name)

    def add(self, name: str, size: int) -> None:
        self.check()
        with self._lock:
            self._got[name] = self._got.get(name, 0) + size
            self._is_fetching = True
            self._tell(name)

    def finish(self, name: str, size: int) -> None:
        """Note that a file is complete, be it from the cache."""
        with self._lock:
            self._got[name] = size
            self._tell(name)

    def _tell(self, name: str) -> None:
        if self._wish.report is not None and self._is_fetching:
            done = min(sum(self._got.values()), self._total)
            note = f"fetching {self._wish.name}: {name}"
            self._wish.report(Progress(done, self._total, "bytes", note))


class Bar:
    """Stands for the class of a progress bar, and for the bar that is made from it."""

    def __init__(self, meter: Meter, name: str) -> None:
        self._meter = meter
        self._name = name
        self.n = 0
        self.total: int | None = None

    def __call__(self, *_: Any, total: int | None = None, **__: Any) -> "Bar":
        self.total = total
        return self

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float | None = 1) -> None:
        self.n += int(n or 0)
        self._meter.add(self._name, int(n or 0))

    def update_transfer(self, n: float | None = 1) -> None:
        """Do nothing: bytes count when they are on the disk."""

    def set_postfix_str(self, *_: object, **__: object) -> None:
        """Do nothing: what is drawn is drawn from reports."""

    set_transfer_postfix_str = refresh = close = set_postfix_str

"""The one thread in which models run, so that two passes never fight over the processor.

A pass that somebody waits for at a slider is urgent: a long pass lets it in between two chunks.
One thread also means one pool of worker threads in torch, however many visitors there are.
While many visitors drag there is always something urgent, so a long pass gets a turn after some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")
IN_A_ROW = 8  # urgent calls that may overtake a long one that waits


class ModelThread:
    """Runs calls one at a time, urgent ones first; starts at the first call."""

    def __init__(self, name: str = "model") -> None:
        self._name = name
        self._wake = Condition()
        self._waiting: dict[bool, deque[tuple[Future[Any], Callable[[], Any]]]] = {
            True: deque(),
            False: deque(),
        }
        self._thread: Thread | None = None
        self._overtaken = 0

    def run(self, call: Callable[[], T], *, urgent: bool = False) -> T:
        """Run the call in the model's thread, wait for it, and return or raise what it does."""
        if current_thread() is self._thread:
            return call()
        future: Future[T] = Future()
        with self._wake:
            self._waiting[urgent].append((future, call))
            if self._thread is None:
                self._thread = Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._wake.notify()
        return future.result()

    def let_urgent_in(self) -> bool:
        """Run the urgent calls that wait now; a long call does this between its chunks.

        Returns: whether there were any, so that another model may now be loaded.
        """
        with self._wake:
            # Those that come meanwhile wait for the next chunk, or it might never come.
            jobs = list(self._waiting[True])
            self._waiting[True].clear()
        for job in jobs:
            _settle(*job)
        return bool(jobs)

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._wake:
            urgent, long = self._waiting[True], self._waiting[False]
            if urgent and not (long and self._overtaken >= IN_A_ROW):
                self._overtaken = self._overtaken + 1 if long else 0
                return urgent.popleft()
            self._overtaken = 0
            return long.popleft() if long else None

    def _serve(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: any(self._waiting.values()))
            job = self._take()
            if job is not None:
                _settle(*job)
            # An idle thread must not keep the last model and result alive.
            job = None


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001  (whatever happens belongs to who asked)
        future.set_exception(error)


MODELS = ModelThread()

"""Ctrl-C, and the signal by which systems end a program: asked once, a command stops cleanly."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(KeyboardInterrupt):
    """A signal that came; `number` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """Which signal came last; 0 while none has."""

    number: int = 0


@contextmanager
def signals_as_stops() -> Iterator[Signals]:
    """Let signals raise Stop, and remember them: what was interrupted may raise anything else."""
    came = Signals()

    def stop(number: int, frame: Any) -> None:
        came.number = number
        raise Stop(number)

    with _handled(stop):
        yield came


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Give an event that the first signal sets; the second one stops at once."""
    event = threading.Event()

    def stop(number: int, frame: Any) -> None:
        if event.is_set():
            raise Stop(number)
        _asked[0] = number
        event.set()
        print("\nStopping; press Ctrl-C again to stop at once.", file=sys.stderr)

    _asked[0] = 0
    with _handled(stop):
        yield event


def asked_by() -> int:
    """Return the signal that asked the last piece of work to stop; 0 if none did."""
    return _asked[0]


_asked = [0]


@contextmanager
def _handled(stop: Any) -> Iterator[None]:
    """Handle signals in some way; only the main thread may, and others leave them as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Who is being measured right now, so that a visitor who moves on waits for nothing."""

from threading import Event, Lock

MOST = 1000


class Settling:
    """One event per visitor and kind of measuring; setting it stops the measuring."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._lock = Lock()

    def stop(self, visitor: str, what: str = "") -> None:
        """Stop what is being measured for a visitor, if anything is."""
        with self._lock:
            event = self._events.pop(visitor + what, None)
        if event:
            event.set()

    def start(self, visitor: str, what: str = "") -> Event:
        """Stop what was being measured for a visitor, and return the event of what is now."""
        self.stop(visitor, what)
        event = Event()
        with self._lock:
            if len(self._events) >= MOST:
                # Visitors who left never stop theirs; the oldest is let go, and runs to its end.
                self._events.pop(next(iter(self._events)))
            self._events[visitor + what] = event
        return event

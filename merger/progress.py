"""How long work tells how far it is, and hears that it should stop."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from merger.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is.

    Args:
        done: Units finished.
        total: Units in all; 0 while unknown.
        unit: What is counted, such as "bytes" or "trials".
        note: What is being worked on, in a few words.
    """

    done: int
    total: int
    unit: str
    note: str = ""


Report = Callable[[Progress], None]


def check_cancel(cancel: Event | None) -> None:
    """Raise Cancelled when somebody asked to stop."""
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped on request.", "Nothing was written.")

"""How long a page waits for the scores of a large model before it says that it will not."""

import time
from weakref import WeakKeyDictionary

from merger.errors import MergeError
from merger.live import LiveSet
from merger.progress import Progress, Report

SECONDS = 120.0
SOON = 3.0  # before that, a first chunk says too little


class TooSlow(MergeError):
    """Scoring would take longer than anybody waits for at a slider."""


class Patience:
    """Remembers which sets take too long to score, and why they are not scored here."""

    def __init__(self, seconds: float = SECONDS, soon: float = SOON) -> None:
        self._seconds, self._soon = seconds, soon
        self._why: WeakKeyDictionary[LiveSet, str] = WeakKeyDictionary()

    def get(self, live: LiveSet) -> str:
        """Return why a set is not scored here; empty when it is."""
        return self._why.get(live, "")

    def watch(self, live: LiveSet) -> Report:
        """Return what follows one pass and stops it when it will take too long.

        Raises:
            TooSlow: this set was given up before; the returned function raises it too.
        """
        if live in self._why:
            raise TooSlow(self._why[live])
        first: list[tuple[float, int]] = []

        def report(progress: Progress) -> None:
            now = time.monotonic()
            if not first:
                first.append((now, progress.done))
                return
            began, at = first[0]
            done = progress.done - at
            if now - began < self._soon or done <= 0 or progress.done >= progress.total:
                return
            whole = (now - began) * (progress.total - at) / done
            if whole > self._seconds:
                self._why[live] = why = (
                    f"Scoring these models takes about {whole / 60:.0f} minutes on this machine, "
                    "too long to wait for here. Download the recipe and run "
                    "`python -m merger score recipe.yaml`."
                )
                raise TooSlow(why)

        return report

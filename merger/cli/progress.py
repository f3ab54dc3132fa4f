"""A progress bar for people: how much, how fast, how long still."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from merger.progress import Progress, Report


@contextmanager
def progress_bar(wanted: bool | None) -> Iterator[Report | None]:
    """Give a report function that draws on stderr, or None when nobody watches.

    Args:
        wanted: True or False as asked for; None draws when stderr is a terminal.
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield None
        return
    bar = _Bar()
    try:
        yield bar.show
    finally:
        bar.close()


class _Bar:
    """Follows the phases of a piece of work, each of which counts from zero."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._phase: tuple[str, int] = ("", -1)

    def show(self, progress: Progress) -> None:
        """Draw how far the work is."""
        phase = (progress.unit, progress.total)
        bar = self._bar
        if bar is None or phase != self._phase or progress.done < bar.n:
            bar = self._open(progress)
            self._phase = phase
        if progress.note:
            note = "".join(c for c in progress.note if c.isprintable())
            bar.set_postfix_str(note[-40:], refresh=False)
        bar.update(progress.done - bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _open(self, progress: Progress) -> Any:
        from tqdm import tqdm  # noqa: PLC0415  (only where a bar is drawn)

        self.close()
        in_bytes = progress.unit == "bytes"
        self._bar = tqdm(
            total=progress.total or None,
            unit="B" if in_bytes else f" {progress.unit}",
            unit_scale=in_bytes,
            unit_divisor=1024 if in_bytes else 1000,
            dynamic_ncols=True,
            file=sys.stderr,
        )
        return self._bar

"""Which part of a merge takes how much processor time, thread by thread.

A part that calls another one counts its own time only. Each look at the clock takes about a
microsecond, so that runs which are compared with others go without.
"""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.merge_mergescope import prepare
from merger.checkpoint import FileCheckpoint
from merger.compute import Prepared
from merger.kernels import combine
from merger.kernels.forms import Forms
from merger.running_checksum import RunningChecksum
from merger.survey import Survey
from merger.writer import Writer

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("read", FileCheckpoint, "read"),
    ("survey", Survey, "_select"),
    ("survey", Survey, "_gram"),
    ("survey", Survey, "_majority"),
    ("survey", Forms, "_make_keeper"),
    ("survey", Forms, "_selected"),
    ("survey", Forms, "_shares"),
    ("merge", Prepared, "merge_block"),
    ("merge", combine, "combine"),
    ("write", Writer, "write"),
    ("write", Writer, "flush"),
    ("checksums", RunningChecksum, "add"),
    ("checksums", RunningChecksum, "finish"),
)


class Stages:
    """Processor seconds by part of a merge; everything else is the rest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._local = threading.local()
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every part while a block runs."""
        plain = [(owner, name, getattr(owner, name)) for _, owner, name in PARTS]
        start = time.process_time()
        try:
            for (part, owner, name), (_, _, call) in zip(PARTS, plain, strict=True):
                setattr(owner, name, self._watched(part, call))
            yield
        finally:
            for owner, name, call in plain:
                setattr(owner, name, call)
            whole = time.process_time() - start
            self.seconds["rest"] = whole - sum(self.seconds.values())

    def _watched(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            open_parts: list[float] = self._local.__dict__.setdefault("inside", [])
            open_parts.append(0.0)
            start = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                whole = time.thread_time() - start
                inside = open_parts.pop()
                if open_parts:
                    open_parts[-1] += whole
                with self._lock:
                    self.seconds[part] += whole - inside

        return watched


def main() -> None:
    """Merge once as `merge_mergescope` does, and print seconds by part as JSON."""
    config, out, threads, _ = sys.argv[1:]
    call, stages = prepare(Path(config), Path(out), int(threads)), Stages()
    with stages.watching():
        call()
    print("\n" + json.dumps(stages.seconds))


if __name__ == "__main__":
    main()

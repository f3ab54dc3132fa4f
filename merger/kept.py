"""Answers that outlive the process: what a model answered once is not asked again.

They are kept by the model's digest, the task's content, the split and the version of the scorer.
A curve that was stopped goes on where it stood; the own curves of experts belong to no recipe, so
every curve after the first finds them here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from zipfile import BadZipFile

import numpy as np

from merger.parts import Parts, Tensors
from merger.progress import Report
from merger.scorer import SCORER_VERSION, Scorer
from merger.tasks.base import Outcomes, Task

MOST_FILES = 4000
PARTS = ("top", "bottom", "clusters")


class KeptAnswers:
    """Answers of models to tasks, a file each; without a folder nothing is kept.

    Args:
        folder: Where the files lie; one that cannot be made keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                # Scores do not depend on it.
                self._folder = None

    def full(
        self,
        scorer: Scorer,
        digest: str,
        tensors: Callable[[], Tensors | Parts],
        tasks: Sequence[Task],
        split: str,
        *,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> dict[str, Outcomes]:
        """Return a model's answers to every example of a split, by task; run at most once.

        Args:
            scorer: Runs the model.
            digest: Names the model's numbers.
            tensors: Returns them; called only where something is to run.
            tasks: Which tasks.
            split: "validation" or "test".
            report: Told the number of examples done.
            cancel: Heard before each chunk.
        """
        path = self._path(digest, tasks, split)
        known = _read(path, tasks)
        if known is not None:
            return known
        found = scorer.full(digest, tensors, split, tasks=tasks, report=report, cancel=cancel)
        answers = {task.name: found.outcomes[task.name] for task in tasks}
        _write(path, [answers[task.name] for task in tasks])
        return answers

    def get(self, digest: str, task: Task, split: str) -> Outcomes | None:
        """Return what a model answered to one task, or None."""
        found = _read(self._path(digest, [task], split), [task])
        return None if found is None else found[task.name]

    def put(self, digest: str, task: Task, split: str, outcomes: Outcomes) -> None:
        """Keep what a model answered to one task, where the disk allows."""
        _write(self._path(digest, [task], split), [outcomes])

    def prune(self) -> None:
        """Let go of the oldest files where there are too many."""
        if self._folder is None:
            return
        files = sorted(self._folder.glob("*.npz"), key=lambda p: p.stat().st_mtime_ns)
        for path in files[: max(0, len(files) - MOST_FILES)]:
            path.unlink(missing_ok=True)

    def _path(self, digest: str, tasks: Sequence[Task], split: str) -> Path | None:
        if self._folder is None:
            return None
        key = [digest, split, str(SCORER_VERSION)]
        key += [word for task in tasks for word in (task.name, task.content)]
        name = hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}.npz"


def _read(path: Path | None, tasks: Sequence[Task]) -> dict[str, Outcomes] | None:
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            rows = [[kept[f"{part}{i}"] for part in PARTS] for i in range(len(tasks))]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        # Half a file of a full disk is as good as none.
        return None
    return {
        task.name: Outcomes(*row, is_log=task.metric == "perplexity")
        for task, row in zip(tasks, rows, strict=True)
    }


def _write(path: Path | None, rows: Sequence[Outcomes]) -> None:
    if path is None:
        return
    arrays: Mapping[str, np.ndarray] = {
        f"{part}{i}": getattr(row, part) for i, row in enumerate(rows) for part in PARTS
    }
    half = path.with_suffix(f".{os.getpid()}.half")
    # What cannot be kept is measured again; the curve itself does not depend on it.
    with suppress(OSError):
        with half.open("wb") as file:
            np.savez_compressed(file, **arrays)
        half.replace(path)

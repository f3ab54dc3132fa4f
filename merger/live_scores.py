"""What the screen scores with: tasks, model and subset of one architecture, shared by all sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import TaskError
from merger.lru import Lru
from merger.preview import Preview
from merger.scorer import Scorer
from merger.tasks import Task, find_tasks, of_one_metric, why_no_tasks

MAX_ARCHITECTURES = 4


@dataclass(frozen=True)
class LiveScores:
    """How the models of one base are scored, or why they are not.

    Args:
        tasks: The tasks that can be scored.
        scorer: The model and what it answered; None without a task.
        preview: The subset for sliders; None without a task, or for models too large for one.
        missing: What is missing before these models, or some task, can be scored.
    """

    tasks: tuple[Task, ...]
    scorer: Scorer | None
    preview: Preview | None
    missing: str


_SHARED: Lru[LiveScores] = Lru(MAX_ARCHITECTURES)


def scores_for(
    base: Checkpoint,
    folders: Sequence[Path] = (),
    size: int | None = None,
    *,
    at_rest: bool = False,
) -> LiveScores:
    """Return the one scorer of a base in this process; it is made at the first call.

    Args:
        base: The checkpoint that the experts were fine-tuned from.
        folders: Where files are tasks, beside the folder that the base lies in.
        size: Examples per task in the subset; None measures what fits 70 ms.
        at_rest: Whether the models are too large for scores that follow a slider.
    """
    found, why = tasks_to_show(base, folders)
    contents = tuple((task.name, _content(task)) for task in found)
    key = (base.content_id(), contents, why, size, at_rest)
    return _SHARED.get_or_make(key, lambda: _make(base, found, why, size, at_rest))


def tasks_to_show(base: Checkpoint, folders: Sequence[Path]) -> tuple[tuple[Task, ...], str]:
    """Return the tasks that a page scores, and why others, or all, are missing."""
    try:
        found = find_tasks(base, folders)
        return of_one_metric(found) if found else ((), why_no_tasks(base))
    except TaskError as error:
        return (), str(error)


def _make(
    base: Checkpoint, found: Sequence[Task], why: str, size: int | None, at_rest: bool
) -> LiveScores:
    reasons = [why] if why else []
    tasks = []
    for task in found:
        try:
            if all(task.splits.values()):
                tasks.append(task)
        except TaskError as error:
            reasons.append(str(error))
    if not tasks:
        return LiveScores((), None, None, " ".join(reasons))
    try:
        scorer = Scorer(base, tasks)
        preview = None if at_rest else Preview(scorer, size)
        return LiveScores(tuple(tasks), scorer, preview, " ".join(reasons))
    except TaskError as error:
        return LiveScores((), None, None, str(error))


def _content(task: Task) -> str:
    try:
        return task.content
    except TaskError:
        # A file that cannot be read is reported by `_make`, not by the look-up.
        return ""

"""What models are scored on: the zoo's image tasks, and data of users, each kind in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import TaskError, did_you_mean
from merger.tasks.base import UNITS, Metric, Outcomes, Task, pick_tasks
from merger.tasks.classify import HEADS as TEXT_HEADS
from merger.tasks.finding import find_text_tasks, tasks_in
from merger.tasks.image_folder import HEADS as IMAGE_HEADS
from merger.tasks.names import parse_name
from merger.tasks.opening import MissingFile, has_head, open_tasks
from merger.tasks.text import TextTask, is_causal
from merger.tasks.zoo import fits_zoo, zoo_tasks

__all__ = [
    "UNITS",
    "Metric",
    "Outcomes",
    "Task",
    "TextTask",
    "choose_tasks",
    "find_tasks",
    "find_text_tasks",
    "of_one_metric",
    "pick_tasks",
    "why_no_tasks",
]


def find_tasks(reference: Checkpoint, folders: Sequence[Path] = ()) -> tuple[Task, ...]:
    """Return the tasks that models of this architecture have.

    Args:
        reference: Any checkpoint of the architecture, the base by preference.
        folders: Where files are tasks; the folder that the model lies in counts too.
    Raises:
        TaskError: a list of tasks that cannot be used.
    """
    if fits_zoo(reference):
        return zoo_tasks()
    if reference.folder is None or reference.config() is None:
        return ()
    places = dict.fromkeys([reference.folder.resolve().parent, *folders])
    found = [task for place in places for task in tasks_in(place, reference)]
    return tuple({task.name: task for task in reversed(found)}.values())[::-1]


def of_one_metric(tasks: Sequence[Task]) -> tuple[tuple[Task, ...], str]:
    """Return the tasks that a page can show on one axis, and why the others are left out.

    These are the ones with the metric of the first; texts show bits per byte, of which a
    perplexity on the same windows says the same in other units.
    """
    fit = [task for task in tasks if task.metric != "perplexity"]
    shown = tuple(task for task in fit if task.metric == fit[0].metric)
    rest = [task.name for task in tasks if task not in shown]
    if not rest:
        return shown, ""
    kind = f"tasks measured in {shown[0].metric.replace('_', ' ')}" if shown else "no perplexity"
    return shown, (
        f"This page shows {kind}; not shown: {', '.join(rest)}. The command score measures "
        "them all, and the first task in tasks.yaml decides which are shown."
    )


def choose_tasks(
    names: Sequence[str] | None, reference: Checkpoint, *, base_dir: Path | None = None
) -> tuple[Task, ...]:
    """Return the tasks of these names, which may also name files anywhere.

    Args:
        names: Task names, such as `text:FILE` or `classify:FILE?label=COLUMN`; None means all
            that the models have.
        reference: Any checkpoint of the architecture, the base by preference.
        base_dir: Folder that relative paths start from; None is the current one.
    Raises:
        TaskError: a name that is no task, or no task at all.
    """
    if names is None:
        known = find_tasks(reference)
        if not known:
            raise TaskError(
                f"{reference.label}: there is no task to score.", why_no_tasks(reference)
            )
        return known
    known = _beside(names, reference)
    by_name = {task.name: task for task in known}
    chosen: dict[str, Task] = {}
    for text in dict.fromkeys(names):
        parsed = None if text in by_name else parse_name(text)
        if parsed is None:
            opened = pick_tasks([text], known)[:1]
        else:
            try:
                opened = open_tasks(parsed, reference, base_dir)
            except MissingFile as error:
                hint = did_you_mean(text, by_name) or error.hint
                raise TaskError(error.message, hint) from error
        for task in opened:
            if chosen.setdefault(task.name, task) is not task:
                raise TaskError(
                    f"{task.name}: two of these tasks have this name.",
                    "Give one of them another, with name=NAME.",
                )
    return tuple(chosen.values())


def _beside(names: Sequence[str], reference: Checkpoint) -> tuple[Task, ...]:
    """Return the tasks beside the models; a list there that is broken stops only who needs it."""
    try:
        return find_tasks(reference)
    except TaskError:
        if all(parse_name(name) is not None for name in names):
            return ()
        raise


def why_no_tasks(reference: Checkpoint) -> str:
    """Say what is missing before these models can be scored; empty when nothing is."""
    if find_tasks(reference):
        return ""
    config = reference.config()
    if reference.folder is None or config is None:
        return "Scores need the model's config.json."
    if is_causal(config):
        return (
            "Put a text file (*.txt), or a table with the columns text and label, beside the "
            "model folders, or name a file as text:FILE."
        )
    if has_head(reference, TEXT_HEADS):
        return (
            "Put a table (csv, jsonl, parquet) with the columns text and label beside the model "
            "folders, or name one as classify:FILE?text=COLUMN&label=COLUMN."
        )
    if has_head(reference, IMAGE_HEADS):
        return (
            "Put a folder with a subfolder of images for each class beside the model folders, or "
            "name one as images:FOLDER."
        )
    return (
        "Scores exist for the bundled experts, causal language models, and models with a "
        "classification head."
    )

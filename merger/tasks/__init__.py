"""What models are scored on: the zoo's image tasks, and text files for language models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import TaskError, did_you_mean
from merger.tasks.base import Metric, Outcomes, Task, pick_tasks
from merger.tasks.text import TextTask, find_text_tasks, is_causal
from merger.tasks.zoo import fits_zoo, zoo_tasks

__all__ = [
    "Metric",
    "Outcomes",
    "Task",
    "TextTask",
    "choose_tasks",
    "find_tasks",
    "find_text_tasks",
    "pick_tasks",
    "why_no_tasks",
]


def find_tasks(reference: Checkpoint, folders: Sequence[Path] = ()) -> tuple[Task, ...]:
    """Return the tasks that models of this architecture have.

    Args:
        reference: Any checkpoint of the architecture, the base by preference.
        folders: Where `*.txt` files are tasks; the folder that the model lies in counts too.
    """
    if fits_zoo(reference):
        return zoo_tasks()
    if reference.folder is None or not is_causal(reference.config()):
        return ()
    places = dict.fromkeys([reference.folder.resolve().parent, *folders])
    found = [task for place in places for task in find_text_tasks(place, reference.folder)]
    return tuple({task.name: task for task in reversed(found)}.values())[::-1]


def choose_tasks(
    names: Sequence[str] | None, reference: Checkpoint, *, base_dir: Path | None = None
) -> tuple[Task, ...]:
    """Return the tasks of these names; `text:FILE` may also name a text file anywhere.

    Args:
        names: Task names; None means all that the models have.
        reference: Any checkpoint of the architecture, the base by preference.
        base_dir: Folder that relative paths start from; None is the current one.
    Raises:
        TaskError: a name that is no task, or no task at all.
    """
    known = find_tasks(reference)
    if names is None:
        if not known:
            raise TaskError(
                f"{reference.label}: there is no task to score.", why_no_tasks(reference)
            )
        return known
    extra = [_text_file(n, reference, base_dir) for n in names if _is_path(n, known)]
    return pick_tasks([_task_name(n, known) for n in names], [*known, *extra])


def why_no_tasks(reference: Checkpoint) -> str:
    """Say what is missing before these models can be scored; empty when nothing is."""
    if find_tasks(reference):
        return ""
    if reference.folder is None or reference.config() is None:
        return "Scores need the model's config.json."
    if is_causal(reference.config()):
        return "Put a text file (*.txt) beside the model folders, or name one as text:FILE."
    return "Scores exist for the bundled experts and for causal language models."


def _is_path(name: str, known: Sequence[Task]) -> bool:
    return name.startswith("text:") and name not in {task.name for task in known}


def _task_name(name: str, known: Sequence[Task]) -> str:
    return f"text:{Path(name[5:]).stem}" if _is_path(name, known) else name


def _text_file(name: str, reference: Checkpoint, base_dir: Path | None) -> Task:
    path = Path(name.removeprefix("text:")).expanduser()
    path = path if base_dir is None else base_dir / path
    if not path.is_file():
        known = [task.name for task in find_tasks(reference)]
        hint = did_you_mean(name, known) or "Give the path of an existing file after `text:`."
        raise TaskError(f"There is no task {name!r}, and no such file.", hint)
    if reference.folder is None:
        raise TaskError(f"{name}: needs the tokenizer of a model folder.", "Save the model first.")
    return TextTask(path, reference.folder)

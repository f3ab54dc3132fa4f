"""A task's name becomes the task: which kinds fit which models, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import TaskError
from merger.tasks.base import Task
from merger.tasks.classify import HEADS as TEXT_HEADS
from merger.tasks.classify import HeadTask
from merger.tasks.image_files import MOST as MOST_IMAGES
from merger.tasks.image_files import ImageFiles
from merger.tasks.image_folder import HEADS as IMAGE_HEADS
from merger.tasks.image_folder import ImageFolderTask
from merger.tasks.label_words import LabelWordsTask
from merger.tasks.names import TaskName
from merger.tasks.rows import MOST, LabelledRows
from merger.tasks.text import PerplexityTask, TextTask, is_causal


class MissingFile(TaskError):
    """A task names a file that is not there."""


TEXT_COLUMN, LABEL_COLUMN = "text", "label"


def open_task(
    name: TaskName, reference: Checkpoint, base_dir: Path | None, within: Path | None = None
) -> Task:
    """Return the task that a name means.

    Args:
        name: The task's name, taken apart.
        reference: Any checkpoint of the architecture, the base by preference.
        base_dir: Folder that relative paths start from; None is the current one.
        within: A folder that files must lie in; None is anywhere.
    Raises:
        TaskError: nothing is there, or these models are of another kind.
    """
    if reference.folder is None:
        raise TaskError(
            f"{name.short}: needs the tokenizer of a model folder.", "Save the model first."
        )
    if name.kind == "lm-eval":
        from merger.tasks.harness import open_harness_task  # noqa: PLC0415  (optional, slow)

        return open_harness_task(name, reference)
    path = Path(name.what).expanduser()
    path = path if base_dir is None else base_dir / path
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise TaskError(f"{name.short}: must lie in the folder of the models.", "Copy it there.")
    return OPENERS[name.kind](name, path, reference, reference.folder)


def open_tasks(name: TaskName, reference: Checkpoint, base_dir: Path | None) -> tuple[Task, ...]:
    """Return the tasks that a name means: several for a group of lm-eval.

    Args:
        name: The name, taken apart.
        reference: As `open_task` takes it.
        base_dir: As `open_task` takes it.
    """
    if name.kind != "lm-eval":
        return (open_task(name, reference, base_dir),)
    from merger.tasks.harness_groups import open_harness  # noqa: PLC0415  (optional, slow)

    return open_harness(name, reference)


def _text(name: TaskName, path: Path, reference: Checkpoint, folder: Path) -> Task:
    _need_file(name, path)
    kind = PerplexityTask if name.kind == "perplexity" else TextTask
    window = name.number("window", 0) or None
    return kind(path, folder, name.options.get("text"), window, name.options.get("name", ""))


def _classify(name: TaskName, path: Path, reference: Checkpoint, folder: Path) -> Task:
    _need_file(name, path)
    options = name.options
    rows = LabelledRows(
        path,
        options.get("text", TEXT_COLUMN),
        options.get("label", LABEL_COLUMN),
        name.number("most", MOST),
    )
    config = reference.config()
    if is_causal(config):
        return LabelWordsTask(name.title, rows, folder, prompt=options.get("prompt"))
    if not has_head(reference, TEXT_HEADS):
        raise TaskError(
            f"{name.short}: {reference.label} has no head that classifies texts, and is no causal "
            "language model.",
            "Use models whose config.json names a …ForSequenceClassification or …ForCausalLM.",
        )
    if "prompt" in options:
        raise TaskError(
            f"{name.short}: a prompt is for causal language models; {reference.label} has a "
            "classification head.",
            "Leave the prompt out.",
        )
    return HeadTask(name.title, rows, folder)


def _images(name: TaskName, path: Path, reference: Checkpoint, folder: Path) -> Task:
    if not path.is_dir():
        raise TaskError(
            f"{name.short}: no such folder.", "Give a folder with a subfolder for each class."
        )
    if not has_head(reference, IMAGE_HEADS):
        raise TaskError(
            f"{name.short}: {reference.label} has no head that classifies images.",
            "Use models whose config.json names a …ForImageClassification architecture.",
        )
    return ImageFolderTask(name.title, ImageFiles(path, name.number("most", MOST_IMAGES)), folder)


Opener = Callable[[TaskName, Path, Checkpoint, Path], Task]
OPENERS: Mapping[str, Opener] = {
    "text": _text,
    "perplexity": _text,
    "classify": _classify,
    "images": _images,
}


def has_head(reference: Checkpoint, endings: tuple[str, ...]) -> bool:
    """Say whether a model's config.json names an architecture with such a head."""
    names = (reference.config() or {}).get("architectures") or []
    return any(isinstance(name, str) and name.endswith(endings) for name in names)


def _need_file(name: TaskName, path: Path) -> None:
    if path.is_file():
        return
    raise MissingFile(
        f"There is no task {name.short!r}, and no such file.",
        f"Give the path of an existing file after `{name.kind}:`.",
    )

"""Tasks that lie in a models folder: a file beside the models is a task.

`*.txt` are texts for causal language models, tables with the columns `text` and `label` are to be
classified, and so are folders of images with a subfolder for each class. A `tasks.yaml`, a list of
task names, says so for files that are called otherwise; then only what it lists counts.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from merger.checkpoint import Checkpoint
from merger.errors import MergeError, TaskError
from merger.tasks.base import Task
from merger.tasks.classify import HEADS as TEXT_HEADS
from merger.tasks.image_files import image_paths
from merger.tasks.image_folder import HEADS as IMAGE_HEADS
from merger.tasks.names import TaskName, parse_name
from merger.tasks.opening import LABEL_COLUMN, TEXT_COLUMN, has_head, open_task
from merger.tasks.tables import is_table
from merger.tasks.text import TextTask, is_causal

LIST = "tasks.yaml"
MAX_LIST_BYTES = 100_000
MAX_LINE = 1 << 20
NEEDED = {TEXT_COLUMN, LABEL_COLUMN}


def tasks_in(folder: Path, reference: Checkpoint) -> tuple[Task, ...]:
    """Return the tasks that lie in a folder and fit a model, sorted by kind and name.

    Raises:
        TaskError: tasks.yaml is no list of task names, or names what cannot be used.
    """
    model = reference.folder
    if model is None:
        return ()
    listed = folder / LIST
    if listed.is_file():
        names = _read_list(listed)
        return tuple(open_task(name, reference, folder, within=folder) for name in names)
    found: list[Task] = []
    if is_causal(reference.config()):
        found += find_text_tasks(folder, model)
    if is_causal(reference.config()) or has_head(reference, TEXT_HEADS):
        found += [_open("classify", path, reference) for path in _tables(folder)]
    if has_head(reference, IMAGE_HEADS):
        found += [_open("images", path, reference) for path in _image_folders(folder)]
    return tuple(found)


def find_text_tasks(folder: Path, model_folder: Path) -> tuple[TextTask, ...]:
    """Return a task for each `*.txt` file that lies in a models folder, sorted by name."""
    files = sorted(p for p in folder.glob("*.txt") if p.is_file())
    return tuple(TextTask(path, model_folder) for path in files)


def _open(kind: str, path: Path, reference: Checkpoint) -> Task:
    return open_task(TaskName(kind, str(path)), reference, None)


def _tables(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in sorted(p for p in folder.glob("*") if p.is_file() and is_table(p)):
        if path.resolve().is_relative_to(root) and _columns(path) >= NEEDED:
            yield path


def _columns(path: Path) -> set[str]:
    """Return the columns of a table from its first line; none where that does not tell."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet_columns(path)
    with suppress(OSError, UnicodeDecodeError, csv.Error, ValueError), path.open("rb") as file:
        line = file.readline(MAX_LINE).decode("utf-8-sig")
        if ending == ".jsonl":
            row = json.loads(line)
            return set(row) if isinstance(row, dict) else set()
        if ending in (".csv", ".tsv"):
            return set(next(csv.reader([line], delimiter="\t" if ending == ".tsv" else ",")))
    return set()


def _parquet_columns(path: Path) -> set[str]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415  (only where such a file lies)

    try:
        return set(parquet.read_schema(path).names)
    except (OSError, ArrowException):
        return set()


def _image_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders beside the models that have two classes of images or more."""
    for path in sorted(p for p in folder.glob("*") if p.is_dir()):
        if path.name.startswith(".") or (path / "config.json").is_file():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            continue
        first = next(image_paths(path), None)
        if first and any(found.parent != first.parent for found in image_paths(path)):
            yield path


def _read_list(path: Path) -> Sequence[TaskName]:
    from merger.recipe_yaml import parse_documents  # noqa: PLC0415  (only where such a file lies)

    try:
        with path.open("rb") as file:
            documents = parse_documents(file.read(MAX_LIST_BYTES).decode("utf-8"))
    except (OSError, UnicodeDecodeError, MergeError) as error:
        raise TaskError(f"{path.name}: cannot be read ({error}).", "Correct the file.") from error
    rows = documents[0] if len(documents) == 1 else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) for row in rows):
        raise TaskError(
            f"{path.name}: must be a list of task names.",
            "Write, say, `- classify:reviews.csv?text=review&label=stars`.",
        )
    found = []
    for row in rows:
        name = parse_name(row)
        if name is None:
            raise TaskError(
                f"{path.name}: {row[:80]!r} is no task.", "Begin with a kind, such as `text:`."
            )
        found.append(name)
    return found

"""What one example of a task looks like, and what models answer to a few of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merger.model_thread import MODELS
from merger.parts import Parts, Tensors, tensors_for
from merger.scorer import Scorer
from merger.tasks import Task
from merger.tasks.base import Outcomes
from merger.tasks.classify import LabelledTask
from merger.tasks.image_files import open_image
from merger.tasks.image_folder import ImageFolderTask
from merger.tasks.images import ImageTask
from merger.tasks.text import TextTask

LONGEST_PASSAGE = 400
PICTURE = 56


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One example, as somebody would look at it.

    Args:
        index: Its number in the split.
        picture: Image in grey, (28, 28) or (56, 56) uint8; None for a text.
        passage: The words; empty for an image.
        label: What is right; empty where nothing is.
    """

    index: int
    picture: np.ndarray | None
    passage: str
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model answered to one example.

    Args:
        words: The class it chose, or the bits per byte it needs.
        right: Whether that is right; None where there is no right or wrong.
        value: How likely the model held its answer, or the bits per byte.
    """

    words: str
    right: bool | None
    value: float


def examples_of(task: Task, split: str, index: Sequence[int]) -> tuple[Example, ...]:
    """Return some examples of a split."""
    if isinstance(task, ImageTask):
        data = task.examples(split)
        return tuple(
            Example(int(i), data.images[i], "", task.class_named(int(data.labels[i])))
            for i in index
        )
    if isinstance(task, TextTask):
        return tuple(Example(int(i), None, _cut(task.passage(split, int(i))), "") for i in index)
    if isinstance(task, LabelledTask):
        rows = task.rows.split(split)
        return tuple(Example(int(i), None, _cut(rows.texts[i]), rows.labels[i]) for i in index)
    if isinstance(task, ImageFolderTask):
        files = task.files.split(split)
        return tuple(Example(int(i), _small(files.paths[i]), "", files.labels[i]) for i in index)
    return tuple(Example(int(i), None, "", "") for i in index)


def answers_of(
    task: Task,
    split: str,
    index: Sequence[int],
    scorer: Scorer,
    tensors: Callable[[], Tensors | Parts],
    known: Outcomes | None = None,
) -> tuple[Answer, ...]:
    """Return what a model answers to some examples.

    Args:
        task: The task.
        split: Its split.
        index: Numbers of the examples.
        scorer: Runs the model.
        tensors: Its numbers, asked for only where the model must run.
        known: What the model did on the whole split, if that was measured.
    """
    chosen = np.asarray(index, np.int64)
    if isinstance(task, ImageTask):
        data = task.examples(split)
        chances = chances_of(task, data.images[chosen], scorer, tensors)
        return tuple(
            Answer(task.class_named(int(best)), bool(best == label), float(row[best]))
            for row, best, label in zip(
                chances, chances.argmax(1), data.labels[chosen], strict=True
            )
        )
    if isinstance(task, LabelledTask | ImageFolderTask):
        guess, chances = _choose(task, split, chosen, scorer, tensors)
        labels = task.labels(split)[chosen]
        return tuple(
            Answer(task.classes[best], bool(best == label), float(row[best]))
            for row, best, label in zip(chances, guess, labels, strict=True)
        )
    found = _run(task, split, chosen, scorer, tensors) if known is None else known.take(chosen)
    return tuple(Answer(f"{v:.3f}", None, float(v)) for v in found.top / found.bottom)


def _run(
    task: Task,
    split: str,
    index: np.ndarray,
    scorer: Scorer,
    tensors: Callable[[], Tensors | Parts],
) -> Outcomes:
    def job() -> Outcomes:
        scorer.load(tensors_for(tensors(), task), object())
        return task.predict(scorer.runner, split, index=index)

    return MODELS.run(job, urgent=True)


def _choose(
    task: LabelledTask | ImageFolderTask,
    split: str,
    index: np.ndarray,
    scorer: Scorer,
    tensors: Callable[[], Tensors | Parts],
) -> tuple[np.ndarray, np.ndarray]:
    def job() -> tuple[np.ndarray, np.ndarray]:
        scorer.load(tensors_for(tensors(), task), object())
        return task.choose(scorer.runner, split, index)

    return MODELS.run(job, urgent=True)


def chances_of(
    task: ImageTask,
    images: np.ndarray,
    scorer: Scorer,
    tensors: Callable[[], Tensors | Parts],
) -> np.ndarray:
    """Return how likely each class is for images (n, 28, 28) uint8, shape (n, classes)."""

    def job() -> np.ndarray:
        scorer.load(tensors_for(tensors(), task), object())
        return task.probabilities(scorer.runner, images)

    return MODELS.run(job, urgent=True)


def _small(path: Path) -> np.ndarray:
    image = open_image(path).convert("L").resize((PICTURE, PICTURE))
    return np.asarray(image, np.uint8)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PASSAGE else f"{text[:LONGEST_PASSAGE]}…"

"""Asks several models about one image or one text, as somebody tries them side by side.

What a model answered is remembered by the model's content and the input's, in memory only: while
a coefficient is dragged, base, experts and pins are not run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from merger.checkpoint import Checkpoint
from merger.diagnostics.answers import AnswersInfo, Role
from merger.diagnostics.surprise import SurpriseInfo
from merger.errors import TaskError
from merger.lru import Lru
from merger.model_thread import MODELS
from merger.parts import Parts, Tensors, tensors_for
from merger.reading import Reading, read_text
from merger.scorer import SCORER_VERSION, Scorer
from merger.tasks import Task
from merger.tasks.images import ImageTask
from merger.tasks.tokens import Pieces, Tokens

T = TypeVar("T")
KEPT_BYTES = 16 << 20
SCORERS = 2


@dataclass(frozen=True, eq=False)
class Model:
    """One of the models that are asked.

    Args:
        name: How it is called.
        role: What it is.
        key: Names its numbers: a recipe's digest or a checkpoint's content id.
        numbers: Returns them; called only where the model must run.
    """

    name: str
    role: Role
    key: str
    numbers: Callable[[], Tensors | Parts]

    def tensors(self, task: Task | None) -> Tensors:
        """Return the numbers that answer for a task, or for no task in particular.

        Raises:
            TaskError: it has one model per expert, and none of them is meant.
        """
        numbers = self.numbers()
        if task is not None:
            return tensors_for(numbers, task)
        if isinstance(numbers, Parts):
            raise TaskError(
                f"This method gives one model per expert ({', '.join(numbers.models)}), and a "
                "text of your own belongs to none of them.",
                "Take a passage of a text that is named like an expert.",
            )
        return numbers


_CHANCES: Lru[np.ndarray] = Lru(KEPT_BYTES, lambda kept: kept.nbytes)
_READINGS: Lru[Reading] = Lru(KEPT_BYTES, lambda kept: kept.bits.nbytes + 512)
_SCORERS: Lru[Scorer] = Lru(SCORERS)


def scorer_without_tasks(reference: Checkpoint) -> Scorer:
    """Return what runs models for which there is nothing to score; kept by content."""
    return _SCORERS.get_or_make(reference.content_id(), lambda: Scorer(reference, ()))


def measure_answers(
    task: ImageTask,
    image: np.ndarray,
    models: Sequence[Model],
    scorer: Scorer,
    *,
    own: int = -1,
    truth: int = -1,
    split: str = "",
) -> AnswersInfo:
    """Ask models what an image (28, 28) uint8 shows.

    Args:
        task: Whose classes can be answered.
        image: The image.
        models: Who is asked.
        scorer: Runs them.
        own: Which of them is the task's own expert.
        truth: Which class is right, if it is known.
        split: Split that the image is from; empty for one of the visitor's own.
    """
    input_key = (task.name, task.content, mark_of(image.tobytes()))

    def ask(model: Model) -> np.ndarray:
        return _run(
            _CHANCES, (model.key, *input_key), model, scorer, task,
            lambda: task.probabilities(scorer.runner, image[None])[0].astype(np.float64),
        )  # fmt: skip

    rows, whys = _each(models, ask)
    empty = np.full(len(task.classes), np.nan)
    return AnswersInfo(
        task=task.title,
        names=tuple(m.name for m in models),
        roles=tuple(m.role for m in models),
        own=own,
        classes=task.classes,
        chances=np.stack([empty if row is None else row for row in rows]),
        whys=whys,
        truth=truth,
        split=split,
    )


def measure_surprise(
    tokens: Tokens,
    pieces: Pieces,
    models: Sequence[Model],
    scorer: Scorer,
    *,
    own: int = -1,
    task: Task | None = None,
    split: str = "",
) -> SurpriseInfo:
    """Ask models how surprising a text is, token by token, and what comes next.

    Args:
        tokens: The tokenizer.
        pieces: The text, cut by it.
        models: Who is asked.
        scorer: Runs them.
        own: Which of them is the expert that the text belongs to.
        task: The text it is from; also decides which part answers of a merge that has parts.
        split: Split it is from; empty for what a visitor typed.
    """
    input_key = ("text", task.name if task else "", mark_of(pieces.ids.tobytes()))

    def ask(model: Model) -> Reading:
        return _run(
            _READINGS, (model.key, *input_key), model, scorer, task,
            lambda: read_text(scorer.runner, pieces.ids),
        )  # fmt: skip

    rows, whys = _each(models, ask)
    nothing = np.full(len(pieces.ids) - 1, np.nan)
    return SurpriseInfo(
        names=tuple(m.name for m in models),
        roles=tuple(m.role for m in models),
        own=own,
        words=pieces.words,
        bits=np.stack([nothing if row is None else row.bits for row in rows]),
        bytes=pieces.bytes,
        following=tuple(() if row is None else _expected(tokens, row) for row in rows),
        whys=whys,
        left_out=pieces.left_out,
        task=task.title if task else "",
        split=split,
    )


def _run(
    kept: Lru[T],
    key: tuple[object, ...],
    model: Model,
    scorer: Scorer,
    task: Task | None,
    answer: Callable[[], T],
) -> T:
    def make() -> T:
        numbers = model.tensors(task)

        def job() -> T:
            scorer.load(numbers, object())
            return answer()

        return MODELS.run(job, urgent=True)

    return kept.get_or_make((SCORER_VERSION, *key), make)


def _each(
    models: Sequence[Model], ask: Callable[[Model], T]
) -> tuple[list[T | None], tuple[str, ...]]:
    """Ask every model; one that cannot answer says why and keeps no other from answering."""
    rows: list[T | None] = []
    whys = []
    for model in models:
        try:
            rows.append(ask(model))
            whys.append("")
        except TaskError as error:
            rows.append(None)
            whys.append(str(error))
    return rows, tuple(whys)


def _expected(tokens: Tokens, reading: Reading) -> tuple[tuple[str, float], ...]:
    words = [tokens.text([int(i)]) for i in reading.following]
    return tuple(zip(words, map(float, reading.chances), strict=True))


def mark_of(data: bytes) -> str:
    """Return what stands for an input in the keys of remembered answers."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()

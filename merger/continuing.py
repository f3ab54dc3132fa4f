"""Lets several models go on with a text, one likeliest word after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np

from merger.errors import TaskError
from merger.lru import Lru
from merger.model_thread import MODELS
from merger.parts import Tensors
from merger.progress import check_cancel
from merger.reading import read_text
from merger.scorer import SCORER_VERSION, Scorer
from merger.tasks import Task
from merger.tasks.tokens import Pieces, Tokens
from merger.trying import Model, mark_of

SECONDS = 10.0  # all models together; what is not done by then is shown as far as it is
KEPT = 2000


@dataclass(frozen=True, slots=True)
class Continuation:
    """How one model goes on with a text.

    Args:
        text: What it adds.
        whole: Whether it came to its end or the number asked for, before the time was up.
        why: Why there is none; empty where there is.
    """

    text: str
    whole: bool = True
    why: str = ""


_WRITTEN: Lru[tuple[int, ...]] = Lru(KEPT)


def continue_text(
    tokens: Tokens,
    pieces: Pieces,
    count: int,
    models: Sequence[Model],
    scorer: Scorer,
    *,
    task: Task | None = None,
    seconds: float = SECONDS,
    cancel: Event | None = None,
) -> tuple[Continuation, ...]:
    """Let each model go on with a text, always with the word it holds likeliest.

    Args:
        tokens: The tokenizer.
        pieces: The text, cut by it.
        count: Tokens to add.
        models: Who goes on.
        scorer: Runs them.
        task: The text it is from; also decides which part answers of a merge that has parts.
        seconds: How long all of them may run together; waiting for others does not count.
        cancel: Heard before each token.
    """
    spent = _Spent(seconds)
    mark = (count, task.name if task else "", mark_of(pieces.ids.tobytes()))
    found = []
    for model in models:
        key = (SCORER_VERSION, model.key, *mark)
        written = _WRITTEN.get(key)
        if written is None:
            try:
                numbers = model.tensors(task)
            except TaskError as error:
                found.append(Continuation("", why=str(error)))
                continue
            written, whole = _write(scorer, numbers, tokens, pieces.ids, count, spent, cancel)
            if not whole:
                found.append(Continuation(tokens.text(written), whole=False))
                continue
            _WRITTEN.put(key, written)
        found.append(Continuation(tokens.text(written)))
    return tuple(found)


def _write(
    scorer: Scorer,
    numbers: Tensors,
    tokens: Tokens,
    start: np.ndarray,
    count: int,
    spent: _Spent,
    cancel: Event | None,
) -> tuple[tuple[int, ...], bool]:
    """Return the tokens that one model adds, and whether it had the time for all."""
    token = object()

    def job() -> tuple[tuple[int, ...], bool]:
        ids = [int(i) for i in start]
        for _ in range(count):
            check_cancel(cancel)
            if spent.is_over:
                return tuple(ids[len(start) :]), False
            MODELS.let_urgent_in()
            scorer.load(numbers, token)
            with spent:
                seen = np.asarray(ids[-tokens.window :], np.int64)
                ids.append(int(read_text(scorer.runner, seen).following[0]))
            if ids[-1] == tokens.end:
                ids.pop()
                break
        return tuple(ids[len(start) :]), True

    return MODELS.run(job)


class _Spent:
    """Adds up the time inside `with`."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._sum = 0.0
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._sum += time.monotonic() - self._began

    @property
    def is_over(self) -> bool:
        return self._sum > self._most

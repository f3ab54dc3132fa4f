"""What a task is, and what a model did on its examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from merger.errors import TaskError, did_you_mean
from merger.runner import Runner

Metric = Literal["accuracy", "bits_per_byte", "perplexity"]
# What the n of a score counts.
UNITS: Mapping[Metric, str] = {
    "accuracy": "examples",
    "bits_per_byte": "windows",
    "perplexity": "tokens",
}
SPLITS = ("validation", "test")
LARGEST_LOG = 700.0
# Called before each chunk with the number of examples done: reports, hears of a cancel, and lets
# others have the model for a moment.
Pause = Callable[[int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What a model did on each example: the score is the sum of `top` over the sum of `bottom`.

    Args:
        top: 1 or 0 for a right or wrong answer; or the bits, or nats, that a window costs.
        bottom: 1 for each answer; or the bytes, or tokens, of the window.
        clusters: Examples with the same number are not independent (one font family).
        is_log: Whether that quotient is the score's natural logarithm, as for perplexity.
    """

    top: np.ndarray
    bottom: np.ndarray
    clusters: np.ndarray
    is_log: bool = False

    def __len__(self) -> int:
        return len(self.top)

    @property
    def value(self) -> float:
        """The score: accuracy, bits per byte, or perplexity."""
        found = float(self.top.sum() / self.bottom.sum())
        return from_log(found) if self.is_log else found

    @property
    def clustered(self) -> bool:
        """Whether examples share clusters."""
        return len(np.unique(self.clusters)) < len(self.clusters)

    def take(self, index: np.ndarray) -> Outcomes:
        """Keep some of the examples."""
        return replace(
            self, top=self.top[index], bottom=self.bottom[index], clusters=self.clusters[index]
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcomes) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]


def from_log(value: float) -> float:
    """Return e to this power; infinity where a float cannot hold it."""
    return exp(value) if value < LARGEST_LOG else inf


@runtime_checkable
class Explained(Protocol):
    """A task that says in a sentence what exactly is measured."""

    @property
    def about(self) -> str:
        """What is counted, how, and on which part of the data."""
        ...


@runtime_checkable
class Task(Protocol):
    """Something a model can be scored on."""

    @property
    def name(self) -> str:
        """How the task is called in recipes and on the command line."""
        ...

    @property
    def title(self) -> str:
        """How the task is called on screen."""
        ...

    @property
    def metric(self) -> Metric:
        """What is measured."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        ...

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of examples by split."""
        ...

    @property
    def content(self) -> str:
        """Changes when the examples change; part of the key of remembered answers."""
        ...

    @property
    def expert(self) -> str | None:
        """Name of the expert that was trained for it, if one was."""
        ...

    def best(self, split: str) -> float | None:
        """Return the best score that a checkpoint of its own expert reaches, if known."""
        ...

    def strata(self, split: str) -> np.ndarray:
        """Return a stratum number per example; a subset takes the same share of each."""
        ...

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Run the model, as it is loaded, over the split or the examples of `index`."""
        ...


def check_split(split: str) -> None:
    """Raise TaskError for a split that no task has."""
    if split not in SPLITS:
        raise TaskError(
            f"split must be 'validation' or 'test', got {split!r}.", did_you_mean(split, SPLITS)
        )


def pick_tasks(names: Sequence[str] | None, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks of these names, in the order asked for; None means all."""
    if names is None:
        return tuple(tasks)
    known = {task.name: task for task in tasks}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) if known else "These models have no task."
            raise TaskError(f"There is no task {name!r} for these models.", hint)
    return tuple(known[name] for name in dict.fromkeys(names))


def draw_subset(strata: np.ndarray, size: int, key: str) -> np.ndarray:
    """Draw a fixed subset that takes the same share of every stratum, sorted.

    It depends on the key and the strata only, so every visitor and every run sees the same one.
    """
    if size >= len(strata):
        return np.arange(len(strata))
    rng = np.random.Generator(np.random.PCG64(list(key.encode())))
    shuffled = rng.permutation(len(strata))
    turn = np.zeros(len(strata))
    for stratum in np.unique(strata):
        mine = shuffled[strata[shuffled] == stratum]
        turn[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    order = np.lexsort((shuffled, turn))
    return np.sort(order[:size])

"""Examples of which a model chooses one of several classes: what all such tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from merger.runner import Runner
from merger.tasks.base import Metric, Outcomes, Pause


class Labelled(Protocol):
    """The examples of one split: their labels, and which of them are nearly the same."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each example."""
        ...

    @property
    def groups(self) -> np.ndarray:
        """Examples with the same number are nearly the same."""
        ...


class ChoosingTask(ABC):
    """Accuracy of choosing a class; where examples come from is left to subclasses."""

    metric: Metric = "accuracy"
    higher_is_better: bool = True
    expert: str | None = None

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """What the model can answer, in order."""

    @property
    @abstractmethod
    def right(self) -> Mapping[str, int]:
        """Which of the classes each label means."""

    @abstractmethod
    def examples(self, split: str) -> Labelled:
        """Return the examples of a split."""

    @abstractmethod
    def choose(
        self, runner: Runner, split: str, index: np.ndarray, pause: Pause | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the class that the model chooses for some examples, (n,), and how likely each is.

        The second is (n, classes); its rows add up to 1.
        """

    def best(self, split: str) -> float | None:
        """Return None: no expert is known to belong to these examples."""
        return None

    def strata(self, split: str) -> np.ndarray:
        """Return the class of each example: a subset takes the same share of each."""
        return self.labels(split)

    def labels(self, split: str) -> np.ndarray:
        """Return the right class of each example."""
        return np.array([self.right[label] for label in self.examples(split).labels], np.int64)

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Choose a class for the examples of a split, or those of `index`."""
        labels = self.labels(split)
        chosen = np.arange(len(labels)) if index is None else index
        guess, _ = self.choose(runner, split, chosen, pause)
        top = (guess == labels[chosen]).astype(np.float64)
        return Outcomes(top, np.ones_like(top), self.examples(split).groups[chosen])

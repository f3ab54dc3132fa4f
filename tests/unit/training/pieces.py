"""Tasks and answers small enough to work out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from merger.sources import SourceSteps
from merger.tasks.base import Metric, Outcomes, Task
from merger.training.curves import Subject
from merger.training.grid import grid_of

STEPS = (8, 16, 32)


@dataclass(frozen=True)
class _Quiz:
    name: str
    metric: Metric = "accuracy"

    @property
    def title(self) -> str:
        return self.name.capitalize()

    @property
    def higher_is_better(self) -> bool:
        return self.metric == "accuracy"


def quiz(name: str, metric: Metric = "accuracy") -> Task:
    """A task of which only name and metric matter here: it is never run."""
    return cast(Task, _Quiz(name, metric))


def right(*answers: int) -> Outcomes:
    """Right (1) and wrong (0) answers to examples that share nothing."""
    top = np.array(answers, np.float64)
    return Outcomes(top, np.ones(len(top)), np.arange(len(top)))


def first(count: int, n: int = 10) -> Outcomes:
    """The first of n examples right, the others wrong."""
    return right(*[1] * count, *[0] * (n - count))


def bits(*costs: float) -> Outcomes:
    """Bits that windows of ten bytes cost."""
    return Outcomes(np.array(costs), np.full(len(costs), 10.0), np.arange(len(costs)))


def subject(
    *tasks: Task,
    experts: Sequence[str] = ("mnist", "latin"),
    factors: tuple[float, ...] = (0.5, 1.0, 2.0),
    why: str = "",
) -> Subject:
    """What is followed over steps 8, 16 and 32."""
    return Subject(
        method="TIES",
        setting="scale 0.3",
        experts=tuple(experts),
        tasks=tasks,
        grid=grid_of([SourceSteps(STEPS, STEPS[-1])] * len(experts)),
        split="validation",
        scale="scale",
        factors=factors,
        why_not_tuned=why,
    )

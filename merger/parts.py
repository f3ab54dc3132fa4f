"""A merge that gives every expert a model of its own: which of them answers which task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merger.errors import TaskError
from merger.lazy import Tensor

if TYPE_CHECKING:
    from merger.tasks import Task

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Parts:
    """One model per expert.

    Args:
        models: Tensors by name on disk, by the expert's name.
    """

    models: Mapping[str, Tensors]

    def of(self, task: Task) -> Tensors:
        """Return the model that answers a task: that of the task's own expert.

        Raises:
            TaskError: the task belongs to none of the experts.
        """
        owner = owner_of(task, self.models)
        if owner is None:
            raise TaskError(
                f"{task.name}: this merge gives one model per expert, and the task belongs to "
                f"none of {', '.join(self.models)}.",
                "Score one of the models by itself, or a task named like an expert.",
            )
        return self.models[owner]


def owner_of(task: Task, names: Iterable[str]) -> str | None:
    """Return the expert whose own task this is, by name: `mnist`, or `text:mnist`."""
    word = task.name.rpartition(":")[2]
    return word if word in set(names) else None


def is_owned(task: str, names: Iterable[str]) -> bool:
    """Say whether a task of this name belongs to one of these experts."""
    return task.rpartition(":")[2] in set(names)


def tensors_for(numbers: Tensors | Parts, task: Task) -> Tensors:
    """Return the tensors that answer a task."""
    return numbers.of(task) if isinstance(numbers, Parts) else numbers

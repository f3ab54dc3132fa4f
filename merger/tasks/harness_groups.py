"""Groups of lm-evaluation-harness: their tasks, and the harness's own way to put them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.tasks.base import Metric, Task
from merger.tasks.harness import BYTES, SHARES, HarnessTask, manager_of, open_harness_task
from merger.tasks.names import TaskName


class Together(NamedTuple):
    """The score of a group.

    Args:
        name: `lm-eval:` and the group's name.
        metric: What its tasks measure.
        value: The score, as the harness puts it together.
        weights: How much each of its tasks counts; they add up to 1.
        by_size: Whether that is by their number of documents.
    """

    name: str
    metric: Metric
    value: float
    weights: Mapping[str, float]
    by_size: bool


@dataclass(frozen=True, eq=False)
class HarnessGroup:
    """One group of the harness, and those inside it.

    Args:
        groups: The harness's own, by name.
    """

    groups: Mapping[str, Any]

    def together(
        self, tasks: Sequence[HarnessTask], found: Mapping[str, tuple[float, int]]
    ) -> list[Together]:
        """Return the score of every group that has one.

        Args:
            tasks: Tasks of the group that were scored.
            found: Score and number of documents of each, by the task's name.
        """
        metrics = {
            task.title: {
                f"{task.counted},{task.filter}": found[task.name][0],
                "sample_len": found[task.name][1],
            }
            for task in tasks
        }
        inside = {
            name: self._of(group, tasks, found, metrics) for name, group in self.groups.items()
        }
        return [one for one in inside.values() if one is not None]

    def _of(
        self,
        group: Any,
        tasks: Sequence[HarnessTask],
        found: Mapping[str, tuple[float, int]],
        metrics: Mapping[str, Any],
    ) -> Together | None:
        if not group.has_aggregation:
            return None
        leaves = {task.task_name for task in group.get_all_tasks()}
        mine = [task for task in tasks if task.title in leaves]
        said = group.aggregate({task.title: metrics[task.title] for task in mine})
        for config in group.aggregate_metric_list:
            counted = [task for task in mine if task.counted == config.metric]
            values = [said.get(f"{config.metric},{task.filter}") for task in counted]
            # Tasks of one group may be filtered unlike each other: then there is no one number.
            if not counted or None in values or len(set(values)) > 1:
                continue
            sizes = [found[task.name][1] if config.weight_by_size else 1 for task in counted]
            weights = {
                task.name: size / sum(sizes) for task, size in zip(counted, sizes, strict=True)
            }
            return Together(
                f"lm-eval:{group.name}",
                counted[0].metric,
                float(values[0]),
                weights,
                config.weight_by_size,
            )
        return None


def open_harness(name: TaskName, reference: Checkpoint) -> tuple[Task, ...]:
    """Return the task of this name, or all tasks of a group or a tag.

    Raises:
        TaskError: the harness is not installed, the models do not predict text, or data cannot
            be read.
    """
    return expand(open_harness_task(name, reference))


def expand(task: HarnessTask) -> tuple[HarnessTask, ...]:
    """Return the tasks that a name stands for; one that names no group stays as it is."""
    manager = manager_of(task.include)
    if task.title not in manager.all_tasks or task.title in manager.all_subtasks:
        return (task,)
    loaded = task.load()
    group = HarnessGroup(loaded["groups"])
    return tuple(
        replace(
            task,
            called=_named(task.called, title, opened, loaded["groups"]),
            opened=opened,
            group=group,
        )
        for title, opened in loaded["tasks"].items()
    )


def _named(called: TaskName, title: str, opened: Any, groups: Mapping[str, Any]) -> TaskName:
    """Return the name of one task of a group, with the metric that its groups put together."""
    if "metric" in called.options:
        return replace(called, what=title)
    known = opened.higher_is_better()
    wanted = [
        config.metric
        for group in groups.values()
        if title in {one.task_name for one in group.get_all_tasks()}
        for config in group.aggregate_metric_list or ()
        if config.metric in known and config.metric in (*SHARES, *BYTES)
    ]
    options = {**called.options, "metric": wanted[0]} if wanted else called.options
    return replace(called, what=title, options=options)

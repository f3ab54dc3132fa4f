"""Compares two merges that answered the same examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merger.diagnostics.compare import CompareInfo
from merger.errors import TaskError
from merger.intervals import Interval, mean_interval
from merger.preview import paired_change
from merger.scorer import FullScore
from merger.scoring import interval_of
from merger.tasks import Task
from merger.tasks.base import Outcomes

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one task.

    Args:
        task: The task.
        a: Score of the first merge with its own interval.
        b: Score of the second.
        change: Paired change, B minus A.
        only_a: Examples that only A does right (text: better than B); NaN while not counted.
        only_b: Examples that only B does right.
        n: Number of examples.
        groups: How many of them are independent.
    """

    task: Task
    a: Interval
    b: Interval
    change: Interval
    only_a: float
    only_b: float
    n: int
    groups: int


def shared_tasks(tasks: Sequence[Task], a: FullScore, b: FullScore) -> tuple[Task, ...]:
    """Return the tasks that both answered.

    Raises:
        TaskError: there is none.
    """
    found = tuple(t for t in tasks if t.name in a.outcomes and t.name in b.outcomes)
    if not found:
        raise TaskError(
            "The two merges have no task in common.",
            "Methods that give one model per expert are scored on the experts' own tasks only.",
        )
    return found


def measure_comparison(
    tasks: Sequence[Task],
    a: FullScore,
    b: FullScore,
    *,
    live: bool = False,
    owners: Mapping[str, str] | None = None,
) -> CompareInfo:
    """Compare two merges on all examples of a split.

    Args:
        tasks: Tasks that both answered.
        a: Answers of the first.
        b: Answers of the second.
        live: Whether B is the merge on screen.
        owners: Name of each task's own expert, by task name.
    """
    rows = [_row(task, a.outcomes[task.name], b.outcomes[task.name]) for task in tasks]
    return compare_rows(rows, split=b.split, measured=True, live=live, owners=owners)


def compare_rows(
    rows: Sequence[Row],
    *,
    split: str,
    measured: bool,
    live: bool,
    owners: Mapping[str, str] | None = None,
) -> CompareInfo:
    """Return a comparison with its mean and its worst task.

    Where each task's expert has a known best accuracy, these two count shares of it.
    """
    shares = _normalised(rows, split)
    whole = shares or rows
    worst_a, worst_b = (_worst(whole, [getattr(r, side).value for r in whole]) for side in "ab")
    means = [float(np.mean([getattr(r, side).value for r in whole])) for side in "ab"]
    return CompareInfo(
        tasks=tuple(r.task.title for r in rows),
        metric=rows[0].task.metric,
        a=np.array([r.a.value for r in rows]),
        b=np.array([r.b.value for r in rows]),
        change=np.array([r.change for r in rows], np.float64),
        only_a=np.array([r.only_a for r in rows], np.float64),
        only_b=np.array([r.only_b for r in rows], np.float64),
        n=np.array([r.n for r in rows]),
        groups=np.array([r.groups for r in rows]),
        mean=np.array(mean_interval([r.change for r in whole])),
        worst=np.array(_between(whole, worst_a, worst_b, measured)),
        totals=np.array([means, [whole[worst_a].a.value, whole[worst_b].b.value]]),
        normalised=bool(shares),
        worst_a=worst_a,
        worst_b=worst_b,
        measured=measured,
        split=split,
        live=live,
        owners=tuple((owners or {}).get(r.task.name, r.task.name) for r in rows),
    )


def changed_hands(task: Task, a: Outcomes, b: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Return which examples only A does right, and which only B.

    Answers keep the order of the split. Passages of a text are those that cost fewer bits per
    byte under one of the two, the largest difference first.
    """
    if task.metric == "accuracy":
        return np.flatnonzero(a.top > b.top), np.flatnonzero(b.top > a.top)
    gain = b.top / b.bottom - a.top / a.bottom  # positive: A needs fewer bits
    order = np.argsort(-np.abs(gain), kind="stable")
    return order[gain[order] > 0], order[gain[order] < 0]


def _row(task: Task, a: Outcomes, b: Outcomes) -> Row:
    only_a, only_b = changed_hands(task, a, b)
    return Row(
        task=task,
        a=interval_of(task, a),
        b=interval_of(task, b),
        change=paired_change(b, a),
        only_a=len(only_a),
        only_b=len(only_b),
        n=len(a),
        groups=len(np.unique(a.clusters)),
    )


def _normalised(rows: Sequence[Row], split: str) -> list[Row]:
    """Return rows as shares of each expert's best accuracy; empty where one is not known."""
    if any(row.task.metric != "accuracy" for row in rows):
        return []
    bests = [row.task.best(split) for row in rows]

    def share(at: Interval, best: float) -> Interval:
        return Interval(*(end / best for end in at))

    known = [(row, best) for row, best in zip(rows, bests, strict=True) if best]
    if len(known) < len(rows):
        return []
    return [
        replace(r, a=share(r.a, best), b=share(r.b, best), change=share(r.change, best))
        for r, best in known
    ]


def _worst(rows: Sequence[Row], values: Sequence[float]) -> int:
    return int(np.argmin(values) if rows[0].task.higher_is_better else np.argmax(values))


def _between(rows: Sequence[Row], a: int, b: int, measured: bool) -> Interval:
    """Return the change from one merge's worst task to the other's."""
    if a == b:
        return rows[a].change
    one, two = rows[a].a, rows[b].b
    change = two.value - one.value
    if not measured:
        return Interval(change, NAN, NAN)
    # Different tasks have examples of their own: the ends of both intervals add as squares
    # (Newcombe, 1998).
    down = ((two.value - two.low) ** 2 + (one.high - one.value) ** 2) ** 0.5
    up = ((two.high - two.value) ** 2 + (one.value - one.low) ** 2) ** 0.5
    return Interval(change, change - down, change + up)

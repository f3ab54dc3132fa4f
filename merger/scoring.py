"""How good a merged model is: its score on each task, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from merger.checkpoint import Checkpoint
from merger.errors import TaskError
from merger.intervals import Interval, mean_interval, paired_difference, wilson
from merger.kept import KeptAnswers
from merger.parts import owner_of
from merger.progress import Report
from merger.recipe import Recipe
from merger.scorer import FullScore, Scorer, read_tensors
from merger.subject import open_subject
from merger.tasks import choose_tasks
from merger.tasks.base import Explained, Metric, Outcomes, Task, check_split, from_log

Best = Callable[[Task, str], float | None]


@dataclass(frozen=True, slots=True)
class TaskScore:
    """The score on one task.

    Args:
        task: Name of the task.
        metric: "accuracy", "bits_per_byte" or "perplexity".
        value: The score.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Number of examples, of windows (bits per byte) or of predicted tokens (perplexity).
        normalised: Relative to the expert's best checkpoint, 1 is as good; None if unknown.
    """

    task: str
    metric: Metric
    value: float
    low: float
    high: float
    n: int
    normalised: float | None


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """The scores of one model.

    Args:
        split: "validation" or "test".
        tasks: One score per task.
        mean: Mean over tasks; None when they are measured in different units.
        normalised_mean: Mean of the normalised scores; None when one is unknown.
        worst: The task that is furthest from its expert's best.
        digest: The recipe's digest, or the content id of a saved model.
        notes: What exactly was measured, a sentence a task; for people, not in the JSON shape.
        groups: Groups of tasks that were asked for, put together as their harness does.
    """

    split: str
    tasks: tuple[TaskScore, ...]
    mean: float | None
    normalised_mean: float | None
    worst: str | None
    digest: str
    notes: tuple[str, ...] = ()
    groups: tuple[TaskScore, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plain data that the command line and the endpoints give."""
        plain = asdict(self) | {"tasks": [asdict(task) for task in self.tasks]}
        del plain["notes"], plain["groups"]
        # Only where there are any: tasks alone have the shape they always had.
        return plain | ({"groups": [asdict(one) for one in self.groups]} if self.groups else {})


def score(
    target: Recipe | str | Path,
    tasks: Sequence[str] | None = None,
    split: str = "validation",
    *,
    device: str = "auto",
    base_dir: Path | None = None,
    answers: Path | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
) -> ScoreReport:
    """Score a recipe, merged in memory, or a model that is there already.

    Numbers are rounded to the dtype they are saved in and computed with in float32 on the
    processor, so that a recipe and its saved folder give the same counts.

    Args:
        target: A recipe, the path of a recipe's YAML file, a model folder, or another source
            such as `zoo:mnist@400`.
        tasks: Names of tasks, such as `text:FILE`, `perplexity:FILE`, `classify:FILE`,
            `images:FOLDER` or `lm-eval:NAME`; None means all that these models have.
        split: "validation" or "test".
        device: "auto" or "cpu".
        base_dir: Folder that relative paths start from; None is the current one.
        answers: Folder that keeps what models answered, so that nothing is asked twice.
        report: Told the number of examples done.
        cancel: Heard before each chunk.
    Raises:
        TaskError: no task fits, or this architecture cannot be scored.
    """
    check_split(split)
    if device not in ("auto", "cpu"):
        raise TaskError(
            f"device: scores are computed on 'cpu', got {device!r}.",
            "Leave it out: other devices round otherwise and would give other counts.",
        )
    subject = open_subject(target, base_dir, report=report, cancel=cancel)
    chosen = choose_tasks(tasks, subject.reference, base_dir=base_dir)
    if subject.parts and tasks is None:
        chosen = owned_tasks(chosen, subject.parts)
    kept = KeptAnswers(answers)
    kept.prune()
    scorer = Scorer(subject.reference, chosen, kept)
    full = scorer.full(subject.digest, subject.tensors, split, report=report, cancel=cancel)
    best = best_of(scorer, subject.experts, report=report, cancel=cancel)
    return summarise(full, chosen, best)


def owned_tasks(tasks: Sequence[Task], names: Sequence[str]) -> tuple[Task, ...]:
    """Return the tasks that one of these experts owns, where each has a model of its own.

    Raises:
        TaskError: no task belongs to any of them.
    """
    owned = tuple(task for task in tasks if owner_of(task, names) is not None)
    if tasks and not owned:
        raise TaskError(
            f"This merge gives one model per expert, and no task belongs to {', '.join(names)}.",
            "Merge it for real, and score one of the models.",
        )
    return owned


def summarise(full: FullScore, tasks: Sequence[Task], best: Best | None = None) -> ScoreReport:
    """Turn answers into scores with intervals.

    Args:
        full: The answers.
        tasks: The tasks to report, in order.
        best: Returns the expert's best score on a task and split, or None.
    """
    rows = tuple(
        score_task(task, full.outcomes[task.name], best(task, full.split) if best else None)
        for task in tasks
    )
    notes = tuple(f"{t.name}: {t.about}" for t in tasks if isinstance(t, Explained) and t.about)
    groups, said = _groups(tasks, rows)
    found = report_of(full.digest, full.split, rows)
    return replace(found, notes=(*notes, *said), groups=groups)


def _groups(
    tasks: Sequence[Task], rows: Sequence[TaskScore]
) -> tuple[tuple[TaskScore, ...], tuple[str, ...]]:
    """Return the scores of groups that tasks were named by, and how each is put together."""
    named = {id(group): group for task in tasks if (group := getattr(task, "group", None))}
    by_name = {row.task: row for row in rows}
    found: dict[str, TaskScore] = {}
    said: list[str] = []
    for group in named.values():
        mine = [task for task in tasks if getattr(task, "group", None) is group]
        scores = {t.name: (by_name[t.name].value, by_name[t.name].n) for t in mine}
        for one in group.together(mine, scores):
            inside = [by_name[name] for name in one.weights]
            ends = [Interval(row.value, row.low, row.high) for row in inside]
            at = mean_interval(ends, list(one.weights.values()))
            n = sum(row.n for row in inside)
            row = TaskScore(one.name, one.metric, one.value, at.low, at.high, n, None)
            if found.setdefault(one.name, row) is row:
                how = "weighted by documents" if one.by_size else "each counting the same"
                said.append(
                    f"{one.name}: the mean of {len(inside)} tasks, {how}, as "
                    "lm-evaluation-harness puts them together; its interval joins theirs."
                )
    return tuple(found.values()), tuple(said)


def report_of(digest: str, split: str, rows: tuple[TaskScore, ...]) -> ScoreReport:
    """Return a report with its means and its worst task."""
    shares = [row.normalised for row in rows]
    known = [share for share in shares if share is not None]
    one_unit = len({row.metric for row in rows}) == 1
    return ScoreReport(
        split=split,
        tasks=rows,
        mean=float(np.mean([row.value for row in rows])) if one_unit else None,
        normalised_mean=float(np.mean(known)) if known and len(known) == len(rows) else None,
        worst=_worst(rows),
        digest=digest,
    )


def score_task(task: Task, outcomes: Outcomes, best: float | None) -> TaskScore:
    """Return the score of one task with its 95 % interval."""
    at = interval_of(task, outcomes)
    return TaskScore(
        task=task.name,
        metric=task.metric,
        value=at.value,
        low=at.low,
        high=at.high,
        n=int(outcomes.bottom.sum()) if task.metric == "perplexity" else len(outcomes),
        normalised=normalise(task, at.value, best),
    )


def interval_of(task: Task, outcomes: Outcomes) -> Interval:
    """Wilson's interval for independent answers, else a bootstrap over clusters or windows."""
    if task.metric == "accuracy" and not outcomes.clustered:
        return wilson(float(outcomes.top.sum()), len(outcomes))
    zeros = np.zeros(len(outcomes))
    found = paired_difference(outcomes.top, zeros, outcomes.clusters, sizes=outcomes.bottom)
    if outcomes.is_log:
        # Of a logarithm: its ends carry over, and no perplexity is below 1.
        return Interval(*(from_log(max(0.0, end)) for end in found))
    high = min(1.0, found.high) if task.metric == "accuracy" else found.high
    return Interval(found.value, max(0.0, found.low), high)


def normalise(task: Task, value: float, best: float | None) -> float | None:
    """Return the score relative to the best one, 1 is as good and less is worse."""
    if best is None:
        return None
    top, bottom = (value, best) if task.higher_is_better else (best, value)
    return top / bottom if bottom > 0 else None


def best_of(
    scorer: Scorer,
    experts: Sequence[Checkpoint],
    *,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Best:
    """Return what tells the best score that an expert reaches on a task.

    A task that comes with its experts knows their scores; else the experts of the recipe are
    scored, and the best of them counts.
    """

    def best(task: Task, split: str) -> float | None:
        known = task.best(split)
        if known is not None or not experts:
            return known
        fulls = [
            scorer.full(
                expert.content_id(),
                lambda expert=expert: read_tensors(expert),
                split,
                tasks=[task],
                report=report,
                cancel=cancel,
            )
            for expert in experts
        ]
        return _best_value(task, fulls)

    return best


def known_best(scorer: Scorer, experts: Sequence[str]) -> Best:
    """Return what tells the best score of an expert from what is remembered, without a pass.

    Args:
        scorer: Remembers the answers.
        experts: Content ids of the experts.
    """

    def best(task: Task, split: str) -> float | None:
        known = task.best(split)
        if known is not None:
            return known
        fulls = [scorer.known(expert, split, [task]) for expert in experts]
        return _best_value(task, [full for full in fulls if full]) if all(fulls) else None

    return best


def _best_value(task: Task, fulls: Sequence[FullScore]) -> float | None:
    values = [full.outcomes[task.name].value for full in fulls]
    if not values:
        return None
    return max(values) if task.higher_is_better else min(values)


def _worst(rows: Sequence[TaskScore]) -> str | None:
    if not rows:
        return None
    if all(row.normalised is not None for row in rows):
        return min(rows, key=lambda row: row.normalised or 0.0).task
    if len({row.metric for row in rows}) > 1:
        return None
    sign = 1 if rows[0].metric == "accuracy" else -1
    return min(rows, key=lambda row: sign * row.value).task

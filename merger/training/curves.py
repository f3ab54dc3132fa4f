"""From answers to curves: scores with intervals, where each is best, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from merger.intervals import Interval, mean_interval
from merger.parts import owner_of
from merger.preview import paired_change
from merger.scoring import interval_of, normalise
from merger.tasks.base import Outcomes, Task
from merger.training.grid import StepGrid
from merger.training.info import TrainingInfo
from merger.training.tuning import Answers, can_halve, cross_tuned

UNKNOWN = np.full(3, np.nan)
TOO_FEW = "The examples cannot be divided into two halves."


@dataclass(frozen=True)
class Subject:
    """What is followed along training.

    Args:
        method: The method's title.
        setting: Its global factor in words.
        experts: The experts' names.
        tasks: The tasks that count.
        grid: Where the experts stand at each step.
        split: Which split is scored.
        scale: What is tuned.
        factors: The factors that are tried.
        why_not_tuned: Why nothing is tuned.
    """

    method: str
    setting: str
    experts: tuple[str, ...]
    tasks: tuple[Task, ...]
    grid: StepGrid
    split: str
    scale: str
    factors: tuple[float, ...] = ()
    why_not_tuned: str = ""

    @property
    def owners(self) -> dict[str, tuple[str, ...]]:
        """The experts whose own score a task counts for: its owner, or all where it has none."""
        found = {task.name: owner_of(task, self.experts) for task in self.tasks}
        return {name: self.experts if own is None else (own,) for name, own in found.items()}

    def tasks_of(self, expert: str) -> tuple[Task, ...]:
        """Return the tasks that an expert's own score is the mean of."""
        return tuple(task for task in self.tasks if expert in self.owners[task.name])


@dataclass(frozen=True)
class Measured:
    """Answers so far; sequences are by step.

    Args:
        base: The base's answers; None where they are not known.
        own: Each expert's answers to its own tasks, by expert and task.
        fixed: The merge's answers.
        tried: The merge's answers by factor.
    """

    base: Answers | None = None
    own: Sequence[Mapping[str, Answers]] = ()
    fixed: Sequence[Answers] = ()
    tried: Sequence[Mapping[float, Answers]] = ()


def tasks_that_count(tasks: Sequence[Task], experts: Sequence[str]) -> tuple[Task, ...]:
    """Return the tasks of these experts; all tasks where none belongs to one of them."""
    owned = tuple(task for task in tasks if owner_of(task, experts) is not None)
    return owned or tuple(tasks)


def curves_of(subject: Subject, measured: Measured, *, complete: bool) -> TrainingInfo:
    """Return the curves of what is measured so far."""
    grid, tasks, names = subject.grid, subject.tasks, subject.experts
    count = len(grid.steps)
    mean_own = [_pooled(subject, row) for row in measured.own]
    tuned, chosen, why = _tuned(subject, measured)
    best = _best_values(tasks, mean_own)
    own = np.full((len(names), count, 3), np.nan)
    for i, name in enumerate(names):
        for s, row in enumerate(measured.own):
            own[i, s] = score_of(subject.tasks_of(name), row.get(name))
    curves = {
        "own_mean": _curve(tasks, mean_own, count),
        "fixed": _curve(tasks, measured.fixed, count),
        "tuned": _curve(tasks, tuned, count),
    }
    kept = [[-1 if step is None else step for step in row] for row in grid.kept]
    sample = measured.fixed[0] if measured.fixed else measured.base
    info = TrainingInfo(
        method=subject.method,
        setting=subject.setting,
        experts=names,
        tasks=tuple(task.title for task in tasks),
        metric=tasks[0].metric,
        split=subject.split,
        n=_count(tasks, sample),
        steps=np.array(grid.steps, np.int64),
        kept=np.array(kept, np.int64).T.copy(),
        base=score_of(tasks, measured.base),
        own=own,
        own_n=np.array([_count(subject.tasks_of(name), sample) for name in names], np.int64),
        **curves,
        normalised=np.array([_shares(tasks, c, best, count) for c in (measured.fixed, tuned)]),
        scale="" if why else subject.scale,
        chosen=chosen,
        tried=np.array(subject.factors, np.float64),
        why_not_tuned=why,
        **dict.fromkeys(
            ("own_gain", "fixed_gain", "tuned_gain", "fixed_fall", "tuned_fall"), UNKNOWN
        ),
        owned=all(len(own) == 1 for own in subject.owners.values()),
        complete=complete,
    )
    return _with_gains(info, tasks, mean_own, measured.fixed, tuned)


def score_of(tasks: Sequence[Task], answers: Answers | None) -> np.ndarray:
    """Return the mean score over tasks with its interval, (3,); NaN where it is not known."""
    if not tasks or answers is None:
        return UNKNOWN
    return np.array(mean_interval([interval_of(t, answers[t.name]) for t in tasks]))


def gain_of(tasks: Sequence[Task], ours: Answers, theirs: Answers) -> np.ndarray:
    """Return by how much one model is better than another on the same examples, (3,)."""
    parts = [paired_change(ours[t.name], theirs[t.name]) for t in tasks]
    value, low, high = mean_interval(parts)
    found = Interval(value, low, high) if tasks[0].higher_is_better else (-value, -high, -low)
    return np.array(found)


def _pooled(subject: Subject, row: Mapping[str, Answers]) -> dict[str, Outcomes]:
    """Return the mean answer of a task's own experts: examples they share are counted once."""
    found = {}
    for task in subject.tasks:
        each = [row[name][task.name] for name in subject.owners[task.name]]
        top = each[0].top if len(each) == 1 else np.mean([o.top for o in each], axis=0)
        found[task.name] = replace(each[0], top=top)
    return found


def _tuned(
    subject: Subject, measured: Measured
) -> tuple[list[dict[str, Outcomes]], np.ndarray, str]:
    chosen = np.full((len(subject.grid.steps), 2), np.nan)
    if subject.why_not_tuned:
        return [], chosen, subject.why_not_tuned
    if measured.fixed and not can_halve(subject.tasks, measured.fixed[0]):
        return [], chosen, TOO_FEW
    found = []
    for s, tried in enumerate(measured.tried):
        stitched, chosen[s] = cross_tuned(subject.tasks, tried)
        found.append(stitched)
    return found, chosen, ""


def _curve(tasks: Sequence[Task], rows: Sequence[Answers], count: int) -> np.ndarray:
    out = np.full((count, 3), np.nan)
    for s, answers in enumerate(rows):
        out[s] = score_of(tasks, answers)
    return out


def _best_values(tasks: Sequence[Task], mean_own: Sequence[Answers]) -> dict[str, float]:
    found = {}
    for task in tasks if mean_own else ():
        values = [answers[task.name].value for answers in mean_own]
        found[task.name] = max(values) if task.higher_is_better else min(values)
    return found


def _shares(
    tasks: Sequence[Task], rows: Sequence[Answers], best: Mapping[str, float], count: int
) -> list[float]:
    out = [float("nan")] * count
    for s, answers in enumerate(rows):
        each = [normalise(t, answers[t.name].value, best.get(t.name)) for t in tasks]
        known = [share for share in each if share is not None]
        out[s] = float(np.mean(known)) if len(known) == len(tasks) else float("nan")
    return out


def _with_gains(
    info: TrainingInfo,
    tasks: Sequence[Task],
    own: Sequence[Answers],
    fixed: Sequence[Answers],
    tuned: Sequence[Answers],
) -> TrainingInfo:
    """Compare the best steps once curves are whole: half a curve has no best step."""
    count = len(info.steps)
    found: dict[str, Any] = {}
    for name, rows in (("fixed", fixed), ("tuned", tuned)):
        best, theirs = info.best(getattr(info, name)), info.best(info.own_mean)
        if len(rows) < count or len(own) < count or best is None or theirs is None:
            continue
        found[f"{name}_gain"] = gain_of(tasks, rows[best], rows[theirs])
        found[f"{name}_fall"] = gain_of(tasks, rows[best], rows[count - 1])
        if name == "fixed":
            found["own_gain"] = gain_of(tasks, own[theirs], own[best])
    return replace(info, **found)


def _count(tasks: Sequence[Task], answers: Answers | None) -> int:
    if answers is None:
        return 0
    return int(sum(answers[task.name].bottom.sum() for task in tasks if task.name in answers))

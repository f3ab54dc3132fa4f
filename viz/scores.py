"""Scores as the page shows them: a row a task, estimated or measured, beside base and experts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merger.diagnostics.tasks import TaskBars
from merger.intervals import Interval, mean_interval
from merger.preview import LiveScore, paired_change
from merger.scorer import FullScore
from merger.scoring import ScoreReport
from merger.tasks import Task

NAN = float("nan")


@dataclass(frozen=True)
class Scores:
    """The scores of one merge.

    Args:
        tasks: The tasks.
        value, low, high: Score and 95 % interval per task.
        normalised: Relative to the expert's best per task, NaN where unknown.
        n: Examples behind each value.
        measured: Full validation, rather than an estimate.
        split: Which split.
        digest: Of the recipe.
        full: The answers, when measured.
        change: Paired change per task against the pin; None without a pin.
    """

    tasks: tuple[Task, ...]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    normalised: np.ndarray
    n: np.ndarray
    measured: bool
    split: str
    digest: str
    full: FullScore | None = None
    change: tuple[Interval, ...] | None = None

    @property
    def mean(self) -> float:
        """Mean of the normalised scores, NaN when one is unknown."""
        return float(self.normalised.mean()) if len(self.normalised) else NAN

    @property
    def worst(self) -> int | None:
        """Which task lies furthest from its expert's best."""
        known = np.isfinite(self.normalised)
        return int(np.nanargmin(self.normalised)) if known.any() else None

    @property
    def mean_change(self) -> Interval | None:
        """Paired change of the mean against the pin."""
        return None if self.change is None else mean_interval(self.change)


def from_report(
    report: ScoreReport, tasks: Sequence[Task], full: FullScore, pin: FullScore | None
) -> Scores:
    """Return measured scores; with a pin, each task's paired change against it."""
    rows = report.tasks
    change = None
    if pin is not None:
        change = tuple(paired_change(full.outcomes[t.name], pin.outcomes[t.name]) for t in tasks)
    return Scores(
        tasks=tuple(tasks),
        value=np.array([r.value for r in rows]),
        low=np.array([r.low for r in rows]),
        high=np.array([r.high for r in rows]),
        normalised=np.array([NAN if r.normalised is None else r.normalised for r in rows]),
        n=np.array([r.n for r in rows]),
        measured=True,
        split=report.split,
        digest=report.digest,
        full=full,
        change=change,
    )


def from_preview(
    live: LiveScore, tasks: Sequence[Task], reference: FullScore, is_pin: bool
) -> Scores:
    """Return estimated scores; the paired change is known when the reference is the pin."""
    rows = live.tasks
    change = None
    if is_pin:
        whole = [reference.outcomes[t.name].value for t in tasks]
        change = tuple(
            Interval(r.change, r.low - w, r.high - w) for r, w in zip(rows, whole, strict=True)
        )
    return Scores(
        tasks=tuple(tasks),
        value=np.array([r.value for r in rows]),
        low=np.array([r.low for r in rows]),
        high=np.array([r.high for r in rows]),
        normalised=np.array([NAN if r.normalised is None else r.normalised for r in rows]),
        n=np.array([r.n for r in rows]),
        measured=False,
        split="validation",
        digest=live.digest,
        change=change,
    )


def task_bars(
    scores: Scores,
    base: Mapping[str, float],
    own: Mapping[str, tuple[str, float]],
    pinned: Scores | None,
) -> TaskBars:
    """Return what the bars show.

    Args:
        scores: Of the merge on screen.
        base: The base's score by task.
        own: By task, the expert that is compared with, and its score.
        pinned: Of the pin.
    """
    names = [t.name for t in scores.tasks]
    low = high = np.zeros(0)
    if scores.change is not None:
        low = np.array([c.low for c in scores.change])
        high = np.array([c.high for c in scores.change])
    nothing = np.full(len(names), NAN)
    return TaskBars(
        tasks=tuple(t.title for t in scores.tasks),
        metric=scores.tasks[0].metric,
        base=np.array([base.get(n, NAN) for n in names]),
        expert=np.array([own[n][1] if n in own else NAN for n in names]),
        merged=scores.value,
        low=scores.low,
        high=scores.high,
        pinned=nothing if pinned is None else pinned.value,
        measured=scores.measured,
        n=scores.n,
        split=scores.split,
        experts=tuple(own[n][0] if n in own else n for n in names),
        change_low=low,
        change_high=high,
    )

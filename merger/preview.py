"""The number that moves with a slider: the last full score plus the change on a fixed subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import expm1
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np

from merger.intervals import Interval, mean_interval, paired_difference
from merger.model_thread import MODELS
from merger.parts import Parts, Tensors
from merger.progress import check_cancel
from merger.scorer import FullScore, Scorer
from merger.scoring import Best, normalise
from merger.tasks.base import LARGEST_LOG, Metric, Outcomes, Task, draw_subset
from merger.tasks.images import ImageBatch, ImageTask

BUDGET_SECONDS = 0.070
SMALLEST: Mapping[Metric, int] = {"accuracy": 24, "bits_per_byte": 4, "perplexity": 4}
LARGEST = 128
SPLIT = "validation"


@dataclass(frozen=True, slots=True)
class LiveTask:
    """An estimate for one task: full score of the reference plus the paired change.

    Args:
        task: Name of the task.
        metric: "accuracy", "bits_per_byte" or "perplexity".
        value: The estimate.
        low: Lower end of its paired 95 % interval.
        high: Upper end.
        n: Number of examples in the subset.
        change: Change against the reference.
        differs: Whether the interval of the change leaves 0 out; else no difference was seen.
        normalised: Relative to the expert's best checkpoint, or None.
    """

    task: str
    metric: Metric
    value: float
    low: float
    high: float
    n: int
    change: float
    differs: bool
    normalised: float | None


@dataclass(frozen=True, slots=True)
class LiveScore:
    """Estimates for all tasks of a recipe.

    Args:
        tasks: One estimate per task.
        mean: Mean over tasks.
        normalised_mean: Mean of the normalised estimates; None when one is unknown.
        worst: The task that is furthest from its expert's best, if that is known.
        change: Change of the mean against the reference.
        change_low: Lower end of its paired 95 % interval.
        change_high: Upper end.
        differs: Whether that interval leaves 0 out; else no difference was seen.
        digest: The recipe's digest.
        reference: Digest of the fully scored recipe that it is compared with.
        seconds: How long the passes took.
    """

    tasks: tuple[LiveTask, ...]
    mean: float
    normalised_mean: float | None
    worst: str | None
    change: float
    change_low: float
    change_high: float
    differs: bool
    digest: str
    reference: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"tasks": [asdict(task) for task in self.tasks]}


class Preview:
    """A fixed, stratified subset of each task's validation examples, ready to be answered.

    Args:
        scorer: The model and its tasks.
        size: Examples per task; None measures what fits 70 ms on this machine.
    Attributes:
        bare_seconds: What one pass over the subset took, so that a page knows what it may ask for.
    """

    def __init__(self, scorer: Scorer, size: int | None = None) -> None:
        self._scorer = scorer
        smallest = max(SMALLEST[task.metric] for task in scorer.tasks)
        self._choose(smallest if size is None else size)
        self.bare_seconds = self._time()
        if size is None and self.bare_seconds < BUDGET_SECONDS:
            self._choose(int(min(LARGEST, smallest * BUDGET_SECONDS / self.bare_seconds)))
            self.bare_seconds = self._time()

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of examples by task."""
        return {name: len(index) for name, index in self._index.items()}

    def answer(
        self,
        tensors: Tensors | Parts,
        cancel: Event | None = None,
        tasks: Sequence[Task] | None = None,
    ) -> dict[str, Outcomes]:
        """Answer the subset with these numbers, before any long pass goes on.

        Args:
            tensors: One model for all tasks, or one per expert.
            cancel: Heard before each chunk.
            tasks: With one model per expert: the tasks that have an owner.
        """

        def job() -> dict[str, Outcomes]:
            check_cancel(cancel)
            if isinstance(tensors, Parts):
                chosen = self._scorer.tasks if tasks is None else tasks
                return {t.name: self._answer_one(t, tensors.of(t), cancel) for t in chosen}
            self._scorer.load(tensors, object())
            return self._pass(cancel)

        return MODELS.run(job, urgent=True)

    def _answer_one(self, task: Task, tensors: Tensors, cancel: Event | None) -> Outcomes:
        self._scorer.load(tensors, object())
        pause = partial(_hear, cancel)
        return task.predict(self._scorer.runner, SPLIT, index=self._index[task.name], pause=pause)

    def bare_pass(self) -> None:
        """Answer the subset with the numbers that are loaded, to see what a pass costs."""
        MODELS.run(self._pass)

    def compare(
        self,
        digest: str,
        tensors: Tensors | Parts,
        reference: FullScore,
        best: Best,
        cancel: Event | None = None,
        tasks: Sequence[Task] | None = None,
    ) -> LiveScore:
        """Estimate the scores of a model from those of a fully scored one.

        Args:
            digest: The recipe's digest.
            tensors: The merged numbers by name on disk, or one model per expert.
            reference: Full validation answers of another model.
            best: Returns the expert's best score on a task and split, or None.
            cancel: Heard before each chunk.
            tasks: Which tasks; None means all.
        """
        start = perf_counter()
        answers = self.answer(tensors, cancel, tasks)
        rows, changes = [], []
        for task in self._scorer.tasks if tasks is None else tasks:
            whole = reference.outcomes[task.name]
            change = paired_change(answers[task.name], whole.take(self._index[task.name]))
            changes.append(change)
            rows.append(_row(task, whole.value, change, self.sizes[task.name], best(task, SPLIT)))
        return _together(rows, changes, digest, reference.digest, perf_counter() - start)

    def _choose(self, size: int) -> None:
        tasks = self._scorer.tasks
        self._index = {t.name: draw_subset(t.strata(SPLIT), size, t.name) for t in tasks}
        parts = [(t, SPLIT, self._index[t.name]) for t in tasks if isinstance(t, ImageTask)]
        self._images = ImageBatch(parts) if parts else None
        self._pictured = [task.name for task, _, _ in parts]

    def _pass(self, cancel: Event | None = None) -> dict[str, Outcomes]:
        pause = partial(_hear, cancel)
        answers: dict[str, Outcomes] = {}
        if self._images is not None:
            found = self._images.predict(self._scorer.runner, pause)
            answers.update(zip(self._pictured, found, strict=True))
        for task in self._scorer.tasks:
            if task.name not in answers:
                index = self._index[task.name]
                answers[task.name] = task.predict(
                    self._scorer.runner, SPLIT, index=index, pause=pause
                )
        return answers

    def _time(self) -> float:
        """Return the seconds of a bare pass with whatever is loaded; the best of three."""

        def job() -> float:
            times = []
            for _ in range(3):
                start = perf_counter()
                self._pass()
                times.append(perf_counter() - start)
                if times[0] > 1.0:
                    break
            return min(times)

        return MODELS.run(job)


def _hear(cancel: Event | None, _: int) -> None:
    check_cancel(cancel)


def paired_change(now: Outcomes, before: Outcomes) -> Interval:
    """Return the change of a score on the same examples, with its paired 95 % interval.

    That of a perplexity is the paired change of its logarithm, applied to what it was before.
    """
    counted = bool((now.bottom == 1).all()) and not now.is_log
    found = paired_difference(
        now.top,
        before.top,
        now.clusters if now.clustered or not counted else None,
        sizes=None if counted else now.bottom,
    )
    if not now.is_log:
        return found
    # A model that a merge broke may need more nats than a float can raise e to.
    return Interval(*(before.value * expm1(min(end, LARGEST_LOG)) for end in found))


def _row(task: Task, whole: float, change: Interval, n: int, best: float | None) -> LiveTask:
    top = 1.0 if task.metric == "accuracy" else np.inf
    value, low, high = (float(min(top, max(0.0, whole + x))) for x in change)
    return LiveTask(
        task=task.name,
        metric=task.metric,
        value=value,
        low=low,
        high=high,
        n=n,
        change=change.value,
        differs=change.sees_difference,
        normalised=normalise(task, value, best),
    )


def _together(
    rows: Sequence[LiveTask],
    changes: Sequence[Interval],
    digest: str,
    reference: str,
    seconds: float,
) -> LiveScore:
    mean = mean_interval(changes)
    known = [row.normalised for row in rows if row.normalised is not None]
    complete = bool(rows) and len(known) == len(rows)
    return LiveScore(
        tasks=tuple(rows),
        mean=float(np.mean([row.value for row in rows])),
        normalised_mean=float(np.mean(known)) if complete else None,
        worst=min(rows, key=lambda row: row.normalised or 0.0).task if complete else None,
        change=mean.value,
        change_low=mean.low,
        change_high=mean.high,
        differs=mean.sees_difference,
        digest=digest,
        reference=reference,
        seconds=seconds,
    )

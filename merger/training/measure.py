"""Measure a merge along its experts' training: merge, score and tune at every kept step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import torch

from merger.errors import TaskError
from merger.kept import KeptAnswers
from merger.live import LiveSet, Place
from merger.live_scores import scores_for
from merger.parts import Parts, Tensors
from merger.preview import SPLIT
from merger.progress import Progress, Report
from merger.recipe import Recipe
from merger.scorer import Scorer, read_tensors
from merger.spec import METHODS
from merger.tasks import Task
from merger.training.curves import Measured, Subject, curves_of, tasks_that_count
from merger.training.grid import step_grid
from merger.training.info import TrainingInfo
from merger.training.tuning import Answers, factors_of, scaled, setting_of, tuned_knob

NO_EFFECT = "this method gives the same merge whatever its experts are multiplied by"
Partial = Callable[[TrainingInfo], None]


def measure_training(
    recipe: Recipe,
    *,
    place: Place | None = None,
    answers: Path | None = None,
    split: str = SPLIT,
    report: Report | None = None,
    cancel: Event | None = None,
    partly: Partial | None = None,
) -> TrainingInfo:
    """Score experts and merge at every step that the experts' sources keep.

    Own scores first come with merges under the recipe's settings, step by step; then merges
    under other global factors, chosen on one half of the examples and reported on the other.

    Args:
        recipe: What is merged; the steps of its experts do not matter.
        place: Where sources are looked for.
        answers: Folder in which answers outlive the process; None keeps none.
        split: "validation" or "test".
        report: Told the number of models scored.
        cancel: Heard before each chunk of examples.
        partly: Given the curves after each step.
    Raises:
        FeedError: no expert has several steps. TaskError: nothing can be scored.
    """
    place = place or Place()
    run = _Run(recipe, place, KeptAnswers(answers), split, report, cancel)
    info = run.measure(partly or _ignore)
    run.kept.prune()
    return info


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        place: Place,
        kept: KeptAnswers,
        split: str,
        report: Report | None,
        cancel: Event | None,
    ) -> None:
        self.recipe, self.place, self.kept = recipe, place, kept
        self._report, self._cancel = report, cancel
        grid = step_grid(recipe, place)
        first = self._open(grid.recipe_at(recipe, 0))
        reference = first.models.reference
        scores = scores_for(reference, place.folders, at_rest=True)
        if scores.scorer is None:
            raise TaskError(f"{reference.label}: there is no task to score.", scores.missing)
        self.scorer: Scorer = scores.scorer
        names = tuple(expert.name for expert in recipe.experts)
        self.subject = Subject(
            method=METHODS[recipe.method].title,
            setting=setting_of(recipe),
            experts=names,
            tasks=tasks_that_count(scores.tasks, names),
            grid=grid,
            split=split,
            scale=tuned_knob(recipe),
            factors=factors_of(recipe),
        )
        if not _feels(first, recipe):
            self.subject = replace(self.subject, factors=(), why_not_tuned=NO_EFFECT)
        self._done = 0
        others = max(0, len(self.subject.factors) - 1)
        self._total = len(grid.steps) * (1 + len(names) + others) + (recipe.base is not None)

    def measure(self, partly: Partial) -> TrainingInfo:
        subject = self.subject
        base: Answers | None = None
        own: list[Mapping[str, Answers]] = []
        fixed: list[Answers] = []
        tried: list[Mapping[float, Answers]] = []
        count = len(subject.grid.steps)
        for index in range(count):
            live = self._open(subject.grid.recipe_at(self.recipe, index))
            if index == 0 and live.models.base is not None:
                base = self._model(live, None, "the base")
            own.append(
                {name: self._model(live, name, self._at(index, name)) for name in subject.experts}
            )
            fixed.append(self._merge(live, self.recipe, self._at(index, subject.method)))
            partly(curves_of(subject, Measured(base, own, fixed), complete=False))
        for index in range(count if subject.factors else 0):
            live = self._open(subject.grid.recipe_at(self.recipe, index))
            row = {1.0: fixed[index]}
            for factor in (f for f in subject.factors if f != 1.0):
                changed = scaled(self.recipe, factor)
                assert changed is not None
                words = self._at(index, f"{subject.scale} × {factor:g}")
                row[factor] = self._merge(live, changed, words)
            tried.append(row)
            found = Measured(base, own, fixed, tried)
            partly(curves_of(subject, found, complete=index == count - 1))
        return curves_of(subject, Measured(base, own, fixed, tried), complete=True)

    def _open(self, recipe: Recipe) -> LiveSet:
        return LiveSet(recipe.base, recipe.experts, self.place, cancel=self._cancel)

    def _model(self, live: LiveSet, name: str | None, words: str) -> Answers:
        """Return what the base, or an expert as it is, answers to its tasks."""
        tasks = self.subject.tasks if name is None else self.subject.tasks_of(name)
        models = live.models
        model = models.base if name is None else models.experts[name]
        assert model is not None
        digest = models.base_id if name is None else models.ids[name]
        return self._full(digest, partial(read_tensors, model), tasks, words)

    def _merge(self, live: LiveSet, recipe: Recipe, words: str) -> Answers:
        # The set knows which checkpoints it holds; only the settings come from the recipe.
        here = replace(recipe, experts=tuple(live.models.wanted.values()))
        numbers = partial(live.numbers, here, self._cancel)
        return self._full(live.digest(here), numbers, self.subject.tasks, words)

    def _full(
        self,
        digest: str,
        tensors: Callable[[], Tensors | Parts],
        tasks: Sequence[Task],
        words: str,
    ) -> Answers:
        self._say(words)
        found = (
            self.kept.full(
                self.scorer, digest, tensors, tasks, self.subject.split, cancel=self._cancel
            )
            if tasks
            else {}
        )
        self._done += 1
        self._say(words)
        return found

    def _say(self, words: str) -> None:
        if self._report is not None:
            self._report(Progress(self._done, self._total, "models", words))

    def _at(self, index: int, what: str) -> str:
        return f"step {self.subject.grid.steps[index]}: {what}"


def _feels(live: LiveSet, recipe: Recipe) -> bool:
    """Tell whether multiplying the update changes the merge, as far as that can be seen."""
    here = replace(recipe, experts=tuple(live.models.wanted.values()))
    other = scaled(here, 2.0) or scaled(here, 0.5)
    if other is None:
        return False
    one, two = live.merge(here).flat, live.merge(other).flat
    return one is None or two is None or not torch.equal(one, two)


def _ignore(_: TrainingInfo) -> None:
    pass

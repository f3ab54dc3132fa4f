"""Turns a checked recipe into a scene: opens models once, scores, measures, compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from merger.errors import MergeError
from merger.live import LiveMerge, LiveSet
from merger.lru import Lru
from merger.progress import Report
from merger.recipe import Expert, Recipe
from merger.scorer import FullScore
from merger.stack import Stack
from merger.tasks import Task
from viz.catalog import Family
from viz.curves import Curves
from viz.measures import Measures
from viz.patience import Patience, TooSlow
from viz.places import place_of
from viz.scene import Pin, Scene
from viz.scores import Scores, from_preview, from_report
from viz.session import recipe_line

SUBSETS = 8
AT_REST = "Models this large are scored once the sliders rest; this takes a while."


@dataclass(frozen=True)
class Merge:
    """A recipe with its models in memory and its merged numbers."""

    recipe: Recipe
    live: LiveSet
    merged: LiveMerge


class Desk:
    """Makes scenes; everything it keeps is about models, nothing about visitors."""

    def __init__(self) -> None:
        self.curves = Curves()
        # Measures live as long as their set: files that changed are read anew, as a new set.
        self._measures: WeakKeyDictionary[LiveSet, Lru[Measures]] = WeakKeyDictionary()
        self._lock = Lock()
        self._patience = Patience()

    def merge(self, recipe: Recipe, family: Family) -> Merge:
        """Merge a recipe in memory."""
        recipe, live = self.open(recipe, family)
        return Merge(recipe, live, live.merge(recipe))

    def open(self, recipe: Recipe, family: Family) -> tuple[Recipe, LiveSet]:
        """Return a recipe with the family's base, and the set that holds its models."""
        if recipe.base is None and family.base is not None:
            # Methods without a base merge the same; panels compare with the family's base.
            recipe = _with_base(recipe, family.base)
        place = place_of(family)
        return recipe, LiveSet.open(recipe, also=_others(recipe, family), place=place)

    def scene(
        self,
        made: Merge,
        family: Family,
        scores: Scores | None,
        pin: Pin | None,
        view: Mapping[str, Any],
    ) -> Scene:
        """Return the scene of a merge."""
        return Scene(
            recipe=made.recipe,
            family=family,
            live=made.live,
            merged=made.merged,
            measures=self.measures(made),
            scores=scores,
            pin=_comparable(pin, scores),
            view=view,
            missing="" if scores is not None else _missing(family, made, self.why_no_scores(made)),
            base_scores=self._base_scores(made.live),
            curves=self.curves,
        )

    def _base_scores(self, live: LiveSet) -> dict[str, float]:
        if not live.tasks or live.models.base is None:
            return {}
        full = live.full_of(None) if live.sample is None else live.known_of(None)
        return {} if full is None else {name: o.value for name, o in full.outcomes.items()}

    def why_no_scores(self, made: Merge) -> str:
        """Say why a merge is not scored, or not yet."""
        live = made.live
        if live.tasks and not live.tasks_of(made.recipe):
            return f"{made.merged.why} No task belongs to one of these experts."
        if live.sample is None or not live.tasks:
            return live.why_no_scores()
        return self._patience.get(live) or AT_REST

    def measures(self, made: Merge) -> Measures | None:
        """Return what is measured about the experts of a merge; None without a base."""
        if made.live.models.base is None:
            return None
        names = tuple(e.name for e in made.recipe.experts)
        with self._lock:
            kept = self._measures.setdefault(made.live, Lru(SUBSETS))
        return kept.get_or_make(names, lambda: Measures(_part(made.live.stack, names)))

    def preview(self, made: Merge, full: FullScore | None, is_pin: bool) -> Scores | None:
        """Estimate scores from full answers, the base's when None; None without a task.

        Args:
            made: The merge.
            full: Full answers of another merge.
            is_pin: Whether that is the pinned one.
        """
        live = made.live
        tasks = live.tasks_of(made.recipe)
        if not tasks:
            return None
        if live.sample is not None:
            there = self.known(made)
            return None if there is None else self._measured(live, there, full if is_pin else None)
        known = full if _answers(full, tasks) else None
        anchor = known or live.full_of(_anchor(live))
        estimate = live.preview(made.recipe, anchor, merged=made.merged)
        return from_preview(estimate, tasks, anchor, is_pin and known is not None)

    def full(
        self, made: Merge, pin: FullScore | None, cancel: Event | None = None
    ) -> Scores | None:
        """Score a merge on full validation; None without a task, or where it takes too long."""
        live = made.live
        if not live.tasks_of(made.recipe):
            return None
        try:
            full = live.full(made.recipe, report=self._watch(live), cancel=cancel)
        except TooSlow:
            return None
        return self._measured(live, full, pin)

    @staticmethod
    def _measured(live: LiveSet, full: FullScore, pin: FullScore | None) -> Scores:
        tasks = [task for task in live.tasks if task.name in full.outcomes]
        return from_report(live.report(full), tasks, full, pin if _answers(pin, tasks) else None)

    def rest(
        self, made: Merge, pin: FullScore | None, cancel: Event | None = None
    ) -> tuple[Scores | None, bool]:
        """Measure a merge that is looked at; say whether asking again would tell more.

        Large models are scored one a call, the merge first, so that each number is shown as
        soon as it is there.
        """
        live = made.live
        if live.sample is None:
            self.score_experts(made, cancel)
            return self.full(made, pin, cancel), False
        if self.known(made) is not None:
            self.score_experts(made, cancel, most=1)
        scores = self.full(made, pin, cancel)
        return scores, scores is not None and bool(_unscored(live)) and not self._patience.get(
            live
        )

    def score_experts(
        self, made: Merge, cancel: Event | None = None, most: int | None = None
    ) -> None:
        """Score models of the set where nobody recorded how good they are.

        Args:
            made: A merge of the set.
            cancel: Stops it.
            most: How many models at most.
        """
        try:
            for name in _unscored(made.live)[:most]:
                made.live.full_of(name, report=self._watch(made.live), cancel=cancel)
        except TooSlow:
            return

    def know_models(self, made: Merge, cancel: Event | None = None) -> bool:
        """Score base and experts on every task, one a call; say whether some are left."""
        live = made.live
        names = [None, *(e.name for e in made.recipe.experts)]
        missing = [
            name
            for name in names
            if (name is not None or live.models.base is not None) and live.known_of(name) is None
        ]
        try:
            for name in missing[:1]:
                live.full_of(name, report=self._watch(live), cancel=cancel)
        except TooSlow:
            return False
        return len(missing) > 1

    def _watch(self, live: LiveSet) -> Report | None:
        return None if live.sample is None else self._patience.watch(live)

    def known(self, made: Merge) -> FullScore | None:
        """Return full answers that are remembered, without a pass."""
        live = made.live
        return live.known(made.merged.digest, tasks=live.tasks_of(made.recipe))

    def pin(self, made: Merge, *, score: bool, cancel: Event | None = None) -> Pin:
        """Return what is shown of a pinned merge.

        Args:
            made: The pinned merge.
            score: Score it now when it has not been; else only what is known is shown.
            cancel: Stops scoring.
        """
        scores = None
        if made.live.tasks and (score or self.known(made) is not None):
            scores = self.full(made, None, cancel)
        measures = self.measures(made)
        scene = Scene(made.recipe, _NOBODY, made.live, made.merged, measures, scores, None, {})
        cancelled = None if measures is None else scene.cancelled
        norms = None if measures is None or made.merged.flat is None else scene.norms
        return Pin(recipe_line(made.recipe), scores, cancelled, norms)


_NOBODY = Family("", "", None, (), ())


def warm_up(desk: Desk, family: Family, recipe: Recipe) -> None:
    """Read models and score the base, so that the first visitor does not wait for it."""
    try:
        made = desk.merge(recipe, family)
        if made.live.tasks and made.live.sample is None:
            made.live.full_of(_anchor(made.live))
            desk.full(made, None)
        measures = desk.measures(made)
        if measures is not None:
            measures.signs(np.ones(len(recipe.experts)))
    except MergeError:
        return  # the first visitor sees the error as a card


def _missing(family: Family, made: Merge, why: str) -> str:
    # What lies beside a folder's models cannot lie beside those of the hub.
    return family.missing if family.granted and not made.live.tasks else why


def _with_base(recipe: Recipe, base: str) -> Recipe:
    return Recipe.from_json(recipe.to_json() | {"base": base})


def _comparable(pin: Pin | None, scores: Scores | None) -> Pin | None:
    """Return the pin without its scores where they are of other tasks."""
    if pin is None or pin.scores is None or scores is None:
        return pin
    same = [t.name for t in pin.scores.tasks] == [t.name for t in scores.tasks]
    return pin if same else replace(pin, scores=None)


def _answers(full: FullScore | None, tasks: Sequence[Task]) -> bool:
    """Say whether there are answers to all of these tasks, so that they can be compared."""
    return full is not None and all(task.name in full.outcomes for task in tasks)


def _anchor(live: LiveSet) -> str | None:
    """Return whose full answers a first estimate starts from: the base's, else an expert's."""
    return next(iter(live.models.experts)) if live.models.base is None else None


def _unscored(live: LiveSet) -> list[str | None]:
    """Return the models without known scores: experts by name, the base as None."""
    if all(task.best("validation") is not None for task in live.tasks):
        return []
    names = [*([] if live.models.base is None else [None]), *live.models.experts]
    return [name for name in names if live.known_of(name) is None]


def _others(recipe: Recipe, family: Family) -> tuple[Expert, ...]:
    used = {e.name for e in recipe.experts}
    return tuple(Expert(c.source, c.name) for c in family.choices if c.name not in used)


def _part(stack: Stack, names: tuple[str, ...]) -> Stack:
    if names == stack.names:
        return stack
    rows = [stack.names.index(name) for name in names]
    together = rows == list(range(rows[0], rows[0] + len(rows))) if rows else False
    # Neighbouring rows can be looked at in place; others must be copied.
    tau = stack.tau[rows[0] : rows[-1] + 1] if together else stack.tau[rows]
    return Stack(stack.base, tau, names, stack.slots, stack.sample, stack.runs)

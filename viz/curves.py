"""Curves along training: which one belongs to the merge on screen, and the job for it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from merger.checkpoint import Checkpoint, MemoryCheckpoint
from merger.errors import MergeError, TaskError
from merger.jobs import Job, JobRunner
from merger.jobs.runner import TITLE_LENGTH
from merger.live import LiveSet
from merger.lru import Lru
from merger.recipe import Expert, Recipe
from merger.training import CurveStore, StepGrid, TrainingInfo, step_grid
from merger.training.grid import curve_digest
from viz.catalog import Family
from viz.places import job_rules
from viz.session import recipe_line

KIND = "training"
KEPT_CURVES = 64
KEPT_MODELS = 2048


@dataclass(frozen=True, eq=False)
class Known:
    """The content id of a checkpoint, and the open files that it was taken from, if any."""

    id: str
    files: Checkpoint | None

    @property
    def is_fresh(self) -> bool:
        """Whether the files are still those."""
        try:
            if self.files is not None:
                self.files.check_unchanged()
        except MergeError:
            return False
        return True


@dataclass(eq=False)
class Curves:
    """Finds the curve of a merge, as far as it is measured, and measures it.

    Args:
        folder: Where curves are kept; None where none are.
    """

    folder: Path | None = None
    _found: WeakKeyDictionary[LiveSet, Lru[tuple[StepGrid, str]]] = field(
        default_factory=WeakKeyDictionary
    )
    _models: Lru[Known] = field(default_factory=lambda: Lru(KEPT_MODELS))
    _lock: Lock = field(default_factory=Lock)

    def find(self, recipe: Recipe, live: LiveSet) -> tuple[StepGrid, str]:
        """Return the steps of a merge's experts, and what names its curve.

        Raises:
            FeedError: no expert has several steps. TaskError: nothing can be scored.
        """
        if not live.tasks:
            raise TaskError("These models have no task.", live.why_no_scores())
        with self._lock:
            kept = self._found.setdefault(live, Lru(KEPT_CURVES))
        return kept.get_or_make(live.digest(recipe), lambda: self._find(recipe, live))

    def known(self, digest: str) -> TrainingInfo | None:
        """Return a curve as far as it is measured."""
        return None if self.folder is None else CurveStore(self.folder).get(digest)

    def running(self, jobs: JobRunner, recipe: Recipe, live: LiveSet, owner: str) -> Job | None:
        """Return the job that measures a curve now."""
        title = self._title(recipe, live)
        for job in jobs.list(owner):
            if not job.is_finished and job.kind == KIND and job.title == title:
                return job
        return None

    def start(
        self, jobs: JobRunner, recipe: Recipe, live: LiveSet, owner: str, family: Family
    ) -> Job:
        """Measure a curve in the background; one that is being measured is not started again.

        Raises:
            FeedError: no expert has several steps. TaskError: nothing can be scored.
        """
        found = self.running(jobs, recipe, live, owner)
        if found is not None:
            return found
        grid, digest = self.find(recipe, live)
        whole = grid.recipe_at(recipe, len(grid.steps) - 1)
        payload: dict[str, Any] = {
            "recipe": whole.to_json(),
            "digest": digest,
            "curves": str(self.folder),
        }
        payload |= job_rules(family)
        title = self._title(recipe, live)
        return jobs.submit(KIND, payload, owner=owner, title=title)

    def _title(self, recipe: Recipe, live: LiveSet) -> str:
        # The steps on screen do not matter to the curve.
        grid, _ = self.find(recipe, live)
        whole = grid.recipe_at(recipe, len(grid.steps) - 1)
        return f"Training curve of {recipe_line(whole)}"[:TITLE_LENGTH]

    def _find(self, recipe: Recipe, live: LiveSet) -> tuple[StepGrid, str]:
        models = live.models
        grid = step_grid(recipe, models.place)
        id_of = partial(self._id_of, live)
        return grid, curve_digest(recipe, grid, live.tasks, models.base_id, id_of)

    def _id_of(self, live: LiveSet, expert: Expert) -> str:
        """Return the content id of a checkpoint; it is opened once, and again when it changed."""
        models = live.models
        key: Hashable = (models.place, models.base_id, expert.source, expert.step)
        known = self._models.get(key)
        if known is None or not known.is_fresh:
            model = models.place.open(expert.source, expert.step, models.base)
            in_memory = isinstance(model, MemoryCheckpoint)
            known = Known(model.content_id(), None if in_memory else model)
            self._models.put(key, known)
        return known.id

"""How a set of experts in memory is scored: in full, or estimated while a slider moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from threading import Event

from merger.errors import TaskError
from merger.in_memory import merge_in_memory, merge_parts
from merger.live_merge import LiveMerge
from merger.live_models import LiveModels
from merger.live_scores import LiveScores, scores_for
from merger.model_thread import MODELS
from merger.parts import Parts, Tensors, owner_of
from merger.preview import SPLIT, LiveScore
from merger.progress import Report
from merger.recipe import Recipe
from merger.scorer import FullScore, Scorer, read_tensors
from merger.scoring import ScoreReport, known_best, summarise
from merger.tasks import Task


class LiveScoring(ABC):
    """Scores of models and merges of one live set; see `LiveSet`.

    Attributes:
        models: The open models.
        sample: Share of the coordinates in memory; None when all are there.
    """

    models: LiveModels
    sample: float | None
    _scores: LiveScores | None = None

    @abstractmethod
    def merge(self, recipe: Recipe) -> LiveMerge:
        """Merge in memory."""

    def digest(self, recipe: Recipe) -> str:
        """Return the recipe's digest over these models."""
        return self.models.digest(recipe)

    def scores(self) -> LiveScores:
        """Return how these models are scored; made at the first call, which takes a while."""
        if self._scores is None or self._scores.scorer is None:
            # Asked again while there is none: somebody may just have added a text.
            models, large = self.models, self.sample is not None
            self._scores = scores_for(models.reference, models.place.folders, at_rest=large)
        return self._scores

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that these models are scored on."""
        return self.scores().tasks

    def tasks_of(self, recipe: Recipe) -> tuple[Task, ...]:
        """Return the tasks that a merge can be scored on.

        Where the method gives one model per expert, these are the tasks that an expert owns.
        """
        if not recipe.has_parts:
            return self.tasks
        names = [expert.name for expert in recipe.experts]
        return tuple(task for task in self.tasks if owner_of(task, names) is not None)

    def why_no_scores(self) -> str:
        """Say what is missing before these models, or some task, can be scored."""
        return self.scores().missing

    def full(
        self,
        recipe: Recipe,
        split: str = SPLIT,
        *,
        report: Report | None = None,
        cancel: Event | None = None,
        merged: LiveMerge | None = None,
    ) -> FullScore:
        """Answer every example of a split; previews of others come in between.

        Args:
            recipe: The recipe.
            split: "validation" or "test".
            report: Told the number of examples done.
            cancel: Heard before each chunk.
            merged: The recipe's merge, when it is at hand.
        """
        return self._needed().full(
            self.digest(recipe),
            lambda: self.numbers(recipe, cancel, merged),
            split,
            tasks=self.tasks_of(recipe),
            report=report,
            cancel=cancel,
        )

    def numbers(
        self, recipe: Recipe, cancel: Event | None = None, merged: LiveMerge | None = None
    ) -> Tensors | Parts:
        """Return all numbers of a merge; from the files where only a sample is in memory.

        Args:
            recipe: The recipe.
            cancel: Heard while files are read.
            merged: The recipe's merge, when it is at hand.
        """
        if self.sample is None:
            return (merged or self.merge(recipe)).numbers
        place = self.models.place
        at = {"cancel": cancel, "base_dir": place.base_dir, "roots": place.roots}
        return (
            merge_parts(recipe, **at)
            if recipe.has_parts
            else merge_in_memory(recipe, **at).tensors
        )

    def known(
        self, digest: str, split: str = SPLIT, tasks: Sequence[Task] | None = None
    ) -> FullScore | None:
        """Return the answers of a merge that was scored before, without a pass."""
        scorer = self.scores().scorer
        return None if scorer is None else scorer.known(digest, split, tasks)

    def known_of(self, name: str | None, split: str = SPLIT) -> FullScore | None:
        """Return what is remembered of an expert, or of the base where name is None."""
        return self.known(self._id(name), split)

    def full_of(
        self,
        name: str | None,
        split: str = SPLIT,
        *,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> FullScore:
        """Answer every example with an expert as it is, or with the base where name is None."""
        model = self.models.base if name is None else self.models.experts[name]
        assert model is not None
        return self._needed().full(
            self._id(name), lambda: read_tensors(model), split, report=report, cancel=cancel
        )

    def _id(self, name: str | None) -> str:
        return self.models.base_id if name is None else self.models.ids[name]

    def preview(
        self,
        recipe: Recipe,
        reference: FullScore,
        cancel: Event | None = None,
        *,
        merged: LiveMerge | None = None,
    ) -> LiveScore:
        """Estimate the scores of a recipe from those of a fully scored one.

        Args:
            recipe: The recipe.
            reference: Full validation answers of another model.
            cancel: Stops it.
            merged: The recipe's merge, when it is at hand.
        """
        best = known_best(self._needed(), tuple(self.models.ids.values()))
        preview = self.scores().preview
        assert preview is not None

        def job() -> LiveScore:
            found = merged or self.merge(recipe)
            tasks = self.tasks_of(recipe)
            return preview.compare(found.digest, found.numbers, reference, best, cancel, tasks)

        # One job, so that no chunk of a long pass comes between merging and scoring.
        return MODELS.run(job, urgent=True)

    def report(self, full: FullScore) -> ScoreReport:
        """Turn answers into scores; normalised as far as the experts have been scored."""
        best = known_best(self._needed(), tuple(self.models.ids.values()))
        return summarise(full, [t for t in self.tasks if t.name in full.outcomes], best)

    def _needed(self) -> Scorer:
        scores = self.scores()
        if scores.scorer is None:
            label = self.models.reference.label
            raise TaskError(f"{label}: there is no task to score.", scores.missing)
        return scores.scorer

"""One set of experts in memory, so that the screen answers while a slider is dragged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from threading import Event, Lock
from types import MappingProxyType

import torch
from torch import Tensor

from merger.align import AlignReport, align
from merger.errors import FeedError, MergeError, RecipeError, TaskError
from merger.flat import FlatInputs, merge_flat
from merger.live_merge import LiveMerge, Place
from merger.live_scores import LiveScores, scores_for
from merger.lru import Lru
from merger.model_thread import MODELS
from merger.plan import Plan, plan
from merger.preview import SPLIT, LiveScore
from merger.progress import Report
from merger.recipe import Expert, Recipe, source_key
from merger.scorer import FullScore, read_tensors
from merger.scoring import ScoreReport, known_best, summarise
from merger.stack import Stack, stack_experts
from merger.stream import one_torch_thread, total_memory
from merger.survey import SurveyCache
from merger.tasks import Task

__all__ = ["SETS", "LiveMerge", "LiveSet", "Place"]

# The other half is for merged copies, the model that is scored, and everything else.
BUDGET_BYTES = total_memory() // 2


class LiveSet:
    """A base and its experts in memory; read-only and shared by everybody in this process.

    A recipe may use any of the experts, in any order.

    Args:
        base_source: Source of the base.
        experts: The experts.
        place: Where sources are looked for.
        report: Told how far reading is.
        cancel: Stops reading.
    """

    def __init__(
        self,
        base_source: str,
        experts: Sequence[Expert],
        place: Place,
        *,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> None:
        self.place = place
        self.base_source = base_source
        self.wanted = {expert.name: expert for expert in experts}
        self.base = place.open(base_source)
        self.experts = {e.name: place.open(e.source, e.step) for e in experts}
        # Taken once: the numbers in memory stay those of these files, whatever becomes of them.
        self._base_id = self.base.content_id()
        self._ids = {name: model.content_id() for name, model in self.experts.items()}
        self._reports: dict[tuple[str, ...], AlignReport] = {}
        self._lock = Lock()
        self._scores: LiveScores | None = None
        fit = self._fit(tuple(self.experts))
        self.stack: Stack = stack_experts(
            self.base,
            list(self.experts.values()),
            list(self.experts),
            keys=fit.mergeable,
            max_bytes=BUDGET_BYTES,
            report=report,
            cancel=cancel,
        )
        self.flat = FlatInputs(self.stack, list(self.experts.values()))
        self.cache = SurveyCache()
        self._rest = {key: self._from_base(key) for key in fit.copied if self._is_float(key)}
        for model in (self.base, *self.experts.values()):
            model.check_unchanged()

    @classmethod
    def open(
        cls,
        recipe: Recipe,
        *,
        also: Sequence[Expert] = (),
        place: Place | None = None,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> LiveSet:
        """Return the set that holds a recipe's experts; it is read at the first call.

        Args:
            recipe: What is to be merged; it must name a base.
            also: Other experts that may be switched on later; left out where they do not fit.
            place: Where sources are looked for.
            report: Told how far reading is.
            cancel: Stops reading.
        Raises:
            FeedError: no base, or the models are too large for memory.
            AlignmentError: the models do not fit.
        """
        place = place or Place()
        for kept in SETS.values():
            if kept.place == place and kept.covers(recipe) and kept.is_fresh():
                return kept
        if recipe.base is None:
            raise FeedError(
                "A live preview needs a base model, and none is chosen.",
                "Set base to what the experts were fine-tuned from.",
            )
        own = {expert.name: expert for expert in recipe.experts}
        more = {e.name: e for e in also if e.name not in own}
        source = recipe.base

        def read(experts: Mapping[str, Expert]) -> LiveSet:
            return cls(source, tuple(experts.values()), place, report=report, cancel=cancel)

        def make() -> LiveSet:
            if not more:
                return read(own)
            try:
                found = read(own | more)
            except (MergeError, MemoryError):
                return read(own)
            return found if found.covers(recipe) else read(own)

        key = (place, source, tuple((own | more).values()), recipe.experts)
        found = SETS.get_or_make(key, make)
        if found.is_fresh():
            return found
        SETS.drop(key)
        return SETS.get_or_make(key, make)

    @property
    def nbytes(self) -> int:
        """Bytes that the set takes, without what its cache may add."""
        return self.flat.nbytes

    def covers(self, recipe: Recipe) -> bool:
        """Say whether a recipe can be merged from this set."""
        if recipe.base != self.base_source:
            return False
        if any(self.wanted.get(expert.name) != expert for expert in recipe.experts):
            return False
        fit = self._fit(tuple(expert.name for expert in recipe.experts))
        return not fit.errors and fit.mergeable == tuple(slot.key for slot in self.stack.slots)

    def is_fresh(self) -> bool:
        """Say whether the files are still those that were read."""
        try:
            for model in (self.base, *self.experts.values()):
                model.check_unchanged()
        except MergeError:
            return False
        return True

    def digest(self, recipe: Recipe) -> str:
        """Return the recipe's digest over these models."""
        ids = {source_key(expert): self._ids[expert.name] for expert in recipe.experts}
        return recipe.digest(ids | {self.base_source: self._base_id})

    def merge(self, recipe: Recipe) -> LiveMerge:
        """Merge in memory; byte by byte what a saved merge would hold.

        Raises:
            RecipeError: a setting that is not valid. MergeError: a result that is not finite.
        """
        planned, fit = self._plan(recipe)
        if planned.method.output == "per_task":
            raise RecipeError(
                f"{planned.method.title} gives one model per expert, and the preview shows one.",
                "Merge it for real, and use one of the models there.",
            )
        flat = MODELS.run(lambda: self._merge_flat(planned), urgent=True)
        tensors = dict(self._rest)
        for slot in self.stack.slots:
            tensors[slot.key] = flat[slot.start : slot.stop].view(slot.shape)
        dtypes = {key: planned.by_key[key].out_dtype for key in tensors}
        for alias, origin in fit.tied.items():
            tensors[alias], dtypes[alias] = tensors[origin], dtypes[origin]
        return LiveMerge(
            self.digest(recipe), flat, MappingProxyType(tensors), MappingProxyType(dtypes)
        )

    def _merge_flat(self, planned: Plan) -> Tensor:
        # Blocks that fit the cache of one core gain nothing from a second, and wait for it.
        small = all(planned.scope_at(t.settings) == "element" for t in planned.merged)
        with one_torch_thread() if small else nullcontext():
            return merge_flat(planned, self.flat, self.cache)

    def scores(self) -> LiveScores:
        """Return how these models are scored; made at the first call, which takes a while."""
        if self._scores is None or self._scores.scorer is None:
            # Asked again while there is none: somebody may just have added a text.
            self._scores = scores_for(self.base, self.place.folders)
        return self._scores

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that these models are scored on."""
        return self.scores().tasks

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
    ) -> FullScore:
        """Answer every example of a split; previews of others come in between."""
        scorer = self._needed().scorer
        assert scorer is not None
        return scorer.full(
            self.digest(recipe),
            lambda: self.merge(recipe).tensors,
            split,
            report=report,
            cancel=cancel,
        )

    def known(self, digest: str, split: str = SPLIT) -> FullScore | None:
        """Return the answers of a merge that was scored before, without a pass."""
        scorer = self.scores().scorer
        return None if scorer is None else scorer.known(digest, split)

    def full_of(
        self,
        name: str | None,
        split: str = SPLIT,
        *,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> FullScore:
        """Answer every example with an expert as it is, or with the base where name is None."""
        model = self.base if name is None else self.experts[name]
        own_id = self._base_id if name is None else self._ids[name]
        scorer = self._needed().scorer
        assert scorer is not None
        return scorer.full(
            own_id, lambda: read_tensors(model), split, report=report, cancel=cancel
        )

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
        scores = self._needed()
        preview, scorer = scores.preview, scores.scorer
        assert preview is not None and scorer is not None
        best = known_best(scorer, tuple(self._ids.values()))

        def job() -> LiveScore:
            found = merged or self.merge(recipe)
            return preview.compare(found.digest, found.tensors, reference, best, cancel)

        # One job, so that no chunk of a long pass comes between merging and scoring.
        return MODELS.run(job, urgent=True)

    def report(self, full: FullScore) -> ScoreReport:
        """Turn answers into scores; normalised as far as the experts have been scored."""
        scores = self._needed()
        assert scores.scorer is not None
        return summarise(full, scores.tasks, known_best(scores.scorer, tuple(self._ids.values())))

    def _needed(self) -> LiveScores:
        scores = self.scores()
        if scores.scorer is None:
            raise TaskError(f"{self.base.label}: there is no task to score.", scores.missing)
        return scores

    def _plan(self, recipe: Recipe) -> tuple[Plan, AlignReport]:
        if not self.covers(recipe):
            raise FeedError("These experts are not in memory.", "Open the set again.")
        names = tuple(expert.name for expert in recipe.experts)
        fit = self._fit(names)
        return plan(recipe, self.base, [self.experts[name] for name in names], fit), fit

    def _fit(self, names: tuple[str, ...]) -> AlignReport:
        """Return how some of the experts fit the base; what forbids a merge raises."""
        with self._lock:
            if names not in self._reports:
                report = align(self.base, [self.experts[name] for name in names])
                report.raise_if_bad()
                self._reports[names] = report
            return self._reports[names]

    def _is_float(self, key: str) -> bool:
        return self.base.tensors[key].is_float

    def _from_base(self, key: str) -> Tensor:
        return self.base.read(key).to(torch.float32).reshape(self.base.tensors[key].shape)


SETS: Lru[LiveSet] = Lru(BUDGET_BYTES, lambda kept: kept.nbytes)

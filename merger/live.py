"""One set of experts in memory, so that the screen answers while a slider is dragged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from threading import Event
from types import MappingProxyType

import torch
from torch import Tensor

from merger.checkpoint import Checkpoint
from merger.errors import MergeError
from merger.flat import FlatInputs, merge_flat
from merger.live_merge import LiveMerge, Place
from merger.live_models import LiveModels
from merger.live_scoring import LiveScoring
from merger.lru import Lru
from merger.model_thread import MODELS
from merger.notices import notices
from merger.parts import Parts
from merger.plan import Plan
from merger.progress import Report
from merger.recipe import Expert, Recipe
from merger.sampled import live_share, on_sample, works_on_sample
from merger.stack import Stack, stack_experts
from merger.storage import storage_of, storage_sentence
from merger.stream import total_memory
from merger.survey import SurveyCache
from merger.threads import one_thread
from merger.tokenizer_choice import TokenizerChoice, plain_tokenizer

__all__ = ["SETS", "LiveMerge", "LiveSet", "Place"]

# The other half is for merged copies, the model that is scored, and everything else.
BUDGET_BYTES = total_memory() // 2


class LiveSet(LiveScoring):
    """A base and its experts in memory; read-only and shared by everybody in this process.

    A recipe may use any of the experts, in any order. Where the models are too large to go
    through while a slider moves, a seeded sample of their coordinates is held (`sample`), and
    scores come from merges that are read from disk. Without a base the stack's rows are the
    experts' own weights.

    Args:
        base_source: Source of the base; None where nobody knows it.
        experts: The experts.
        place: Where sources are looked for.
        tokenizer: What the recipe says about the tokenizer.
        report: Told how far reading is.
        cancel: Stops reading.
    """

    def __init__(
        self,
        base_source: str | None,
        experts: Sequence[Expert],
        place: Place,
        *,
        tokenizer: TokenizerChoice | None = None,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> None:
        self.models = LiveModels(base_source, experts, place, tokenizer)
        own, fit = list(self.models.experts.values()), self.models.fit
        reference = self.models.reference
        parameters = sum(reference.tensors[key].numel for key in fit.mergeable)
        self.sample = live_share(parameters, len(own))
        self.stack: Stack = stack_experts(
            self.models.base,
            own,
            list(self.models.experts),
            keys=fit.mergeable,
            sample=self.sample,
            max_bytes=BUDGET_BYTES,
            report=report,
            cancel=cancel,
        )
        self.flat = FlatInputs(self.stack, own if self.sample is None else None)
        self.cache = SurveyCache()
        self._rest: dict[str, Tensor] = {}
        if self.sample is None:
            kept = [key for key in fit.copied if reference.tensors[key].is_float]
            self._rest = {key: _whole(reference, key) for key in kept}
        self.models.check_unchanged()

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
            recipe: What is to be merged.
            also: Other experts that may be switched on later; left out where they do not fit.
            place: Where sources are looked for.
            report: Told how far reading is.
            cancel: Stops reading.
        Raises:
            AlignmentError: the models do not fit.
        """
        place = place or Place()
        for kept in SETS.values():
            models = kept.models
            if models.place == place and models.covers(recipe) and models.is_fresh():
                return kept
        own = {expert.name: expert for expert in recipe.experts}
        # What the words of a union are depends on every model that is there.
        others = also if recipe.tokenizer is None else ()
        more = {e.name: e for e in others if e.name not in own}
        source, words = recipe.base, recipe.tokenizer
        said = None if words is None else repr(plain_tokenizer(words))

        def read(experts: Mapping[str, Expert]) -> LiveSet:
            named = tuple(experts.values())
            return cls(source, named, place, tokenizer=words, report=report, cancel=cancel)

        def make() -> LiveSet:
            if not more:
                return read(own)
            try:
                found = read(own | more)
            except (MergeError, MemoryError):
                return read(own)
            return found if found.models.covers(recipe) else read(own)

        key = (place, source, tuple((own | more).values()), recipe.experts, said)
        found = SETS.get_or_make(key, make)
        if found.models.is_fresh():
            return found
        SETS.drop(key)
        return SETS.get_or_make(key, make)

    @property
    def nbytes(self) -> int:
        """Bytes that the set takes, without what its cache may add."""
        return self.flat.nbytes

    def merge(self, recipe: Recipe) -> LiveMerge:
        """Merge in memory; byte by byte what a saved merge would hold, or a sample of it.

        Raises:
            RecipeError: a setting that is not valid. MergeError: a result that is not finite.
        """
        planned, digest = self.models.plan(recipe), self.digest(recipe)
        said = notices(planned)
        why = _why_no_preview(planned, self.sample is not None)
        nothing = MappingProxyType({})
        per_task = planned.method.output == "per_task"
        if self.sample is not None:
            if why:
                return LiveMerge(digest, None, nothing, nothing, why, notices=said)
            planned = on_sample(planned, self.stack)
        flat = MODELS.run(lambda: self._merge_flat(planned), urgent=True)
        if self.sample is not None:
            return LiveMerge(digest, flat, nothing, nothing, notices=said)
        if per_task:
            names = zip(planned.names, flat, strict=True)
            parts = Parts({name: self._shaped(row, planned) for name, row in names})
            stored = storage_of(planned)
            return LiveMerge(digest, None, nothing, nothing, why, parts, said, stored)
        tensors = self._shaped(flat, planned)
        return LiveMerge(digest, flat, tensors, self._dtypes(tensors, planned), notices=said)

    def _shaped(self, flat: Tensor, planned: Plan) -> Mapping[str, Tensor]:
        """Return a model's tensors by name on disk, tied ones under all their names."""
        tensors = dict(self._rest)
        for slot in self.stack.slots:
            tensors[slot.key] = flat[slot.start : slot.stop].view(slot.shape)
        for alias, origin in self.models.fit_of(planned.names).tied.items():
            tensors[alias] = tensors[origin]
        return MappingProxyType(tensors)

    def _dtypes(self, tensors: Mapping[str, Tensor], planned: Plan) -> Mapping[str, str]:
        tied = self.models.fit_of(planned.names).tied
        return MappingProxyType(
            {key: planned.by_key[tied.get(key, key)].out_dtype for key in tensors}
        )

    def _merge_flat(self, planned: Plan) -> Tensor:
        # Blocks that fit the cache of one core gain nothing from a second, and wait for it.
        small = all(planned.scope_at(t.settings) == "element" for t in planned.merged)
        with one_thread() if small else nullcontext():
            return merge_flat(planned, self.flat, self.cache)


def _why_no_preview(planned: Plan, sampled: bool) -> str:
    title = planned.method.title
    if planned.method.output == "per_task":
        stored = storage_sentence(planned)
        return f"{title} gives one model per expert; each task is its expert's. {stored}".strip()
    if sampled and not works_on_sample(planned):
        return f"{title} works on whole tensors, and models this large are previewed in part."
    return ""


def _whole(model: Checkpoint, key: str) -> Tensor:
    return model.read(key).to(torch.float32).reshape(model.tensors[key].shape)


SETS: Lru[LiveSet] = Lru(BUDGET_BYTES, lambda kept: kept.nbytes)

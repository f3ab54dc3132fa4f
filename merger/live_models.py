"""The open models behind a live set: how they fit, what is planned for them, what names them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from merger.align import AlignReport, align
from merger.checkpoint import Checkpoint
from merger.errors import FeedError, MergeError
from merger.live_merge import Place
from merger.plan import Plan, plan
from merger.recipe import Expert, Recipe, source_key
from merger.tokenizer_choice import TokenizerChoice
from merger.tokenizers import match_vocabularies


class LiveModels:
    """A base and experts, opened once; only headers are read here.

    Args:
        base_source: Source of the base; None where nobody knows it.
        experts: The experts.
        place: Where sources are looked for.
        tokenizer: What the recipe says about the tokenizer.
    """

    def __init__(
        self,
        base_source: str | None,
        experts: Sequence[Expert],
        place: Place,
        tokenizer: TokenizerChoice | None = None,
    ) -> None:
        self.place = place
        self.tokenizer = tokenizer
        self.base_source = base_source
        self.wanted = {expert.name: expert for expert in experts}
        base = None if base_source is None else place.open(base_source)
        opened = [place.open(e.source, e.step, base) for e in experts]
        asked = Recipe("linear", tuple(experts), base_source, tokenizer=tokenizer)
        self.base, matched, _ = match_vocabularies(asked, base, opened)
        self.experts = dict(zip(self.wanted, matched, strict=True))
        # Taken once: the numbers in memory stay those of these files, whatever becomes of them.
        self.ids = {name: model.content_id() for name, model in self.experts.items()}
        self.base_id = "" if self.base is None else self.base.content_id()
        self._reports: dict[tuple[str, ...], AlignReport] = {}
        self._lock = Lock()
        self.fit = self.fit_of(tuple(self.experts))

    @property
    def reference(self) -> Checkpoint:
        """The model that stands for the architecture: the base, else the first expert."""
        return self.base if self.base is not None else next(iter(self.experts.values()))

    def fit_of(self, names: tuple[str, ...]) -> AlignReport:
        """Return how some of the experts fit; what forbids a merge raises."""
        with self._lock:
            if names not in self._reports:
                report = align(self.base, [self.experts[name] for name in names])
                report.raise_if_bad()
                self._reports[names] = report
            return self._reports[names]

    def covers(self, recipe: Recipe) -> bool:
        """Say whether a recipe can be merged from these models."""
        if recipe.base != self.base_source or recipe.tokenizer != self.tokenizer:
            return False
        if self.tokenizer is not None and {e.name for e in recipe.experts} != set(self.experts):
            return False
        if any(self.wanted.get(expert.name) != expert for expert in recipe.experts):
            return False
        fit = self.fit_of(tuple(expert.name for expert in recipe.experts))
        return not fit.errors and fit.mergeable == self.fit.mergeable

    def is_fresh(self) -> bool:
        """Say whether the files are still those that were read."""
        try:
            self.check_unchanged()
        except MergeError:
            return False
        return True

    def check_unchanged(self) -> None:
        """Raise SourceError if a model is not the one that was opened."""
        for model in (*([] if self.base is None else [self.base]), *self.experts.values()):
            model.check_unchanged()

    def digest(self, recipe: Recipe) -> str:
        """Return the recipe's digest over these models."""
        ids = {source_key(expert): self.ids[expert.name] for expert in recipe.experts}
        if self.base_source is not None:
            ids[self.base_source] = self.base_id
        return recipe.digest(ids)

    def plan(self, recipe: Recipe) -> Plan:
        """Decide what happens to each tensor.

        Raises:
            FeedError: experts that are not among these. RecipeError: a setting is not valid.
        """
        if not self.covers(recipe):
            raise FeedError("These experts are not in memory.", "Open the set again.")
        names = tuple(expert.name for expert in recipe.experts)
        return plan(recipe, self.base, [self.experts[name] for name in names], self.fit_of(names))

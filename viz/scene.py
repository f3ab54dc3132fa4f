"""The merge on screen: everything a panel may ask for, computed at most once a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from merger.diagnostics.cancelled import CancelledInfo
from merger.diagnostics.norms import NormsInfo
from merger.errors import FeedError, TaskError
from merger.live import LiveMerge, LiveSet
from merger.recipe import Depth, Recipe
from viz.archive import History
from viz.asked import Answered, Question, ask, question_of
from viz.catalog import Family
from viz.curves import Curves
from viz.measures import Measures
from viz.questions import Tried
from viz.scores import Scores

DEFAULT_SHARE = 0.2
NO_BASE = (
    "Task vectors are differences from a base, and none is chosen.",
    "Say under Experts which model is the base.",
)


@dataclass(frozen=True)
class Pin:
    """What the present merge is compared with.

    Args:
        line: Its recipe in one line.
        scores: Its full scores; None while they are being measured.
        cancelled: Its cancelled mass.
        norms: Its norms.
    """

    line: str
    scores: Scores | None
    cancelled: CancelledInfo | None
    norms: NormsInfo | None


@dataclass(frozen=True)
class Scene:
    """One merge, what is measured about it, and what it is compared with.

    Args:
        recipe: The merge.
        family: Where its experts come from.
        live: Base and experts in memory; None when they cannot be compared.
        merged: The merged model; None without `live`.
        measures: What is known about these experts; None without a base.
        scores: Its scores, estimated or measured; None when there is nothing to score.
        pin: What it is compared with.
        view: What is looked at: the tensor of the histogram, the share of the overlap.
        missing: Why `scores` is None.
        base_scores: The base's own score by task.
        curves: Finds the training curve of the merge.
        history: What the visitor has scored with these models; None where nobody asks.
        pins: The pinned merges A and B with all their scores; empty where nobody asks.
        tried: What a visitor tries out, and who answers beside the merge.
    """

    recipe: Recipe
    family: Family
    live: LiveSet | None
    merged: LiveMerge | None
    measures: Measures | None
    scores: Scores | None
    pin: Pin | None
    view: Mapping[str, Any]
    missing: str = ""
    base_scores: Mapping[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    history: History | None = None
    pins: tuple[Pin, ...] = ()
    tried: Tried = field(default_factory=Tried)

    @property
    def anchors(self) -> tuple[Mapping[str, float], Mapping[str, tuple[str, float]]]:
        """What merged scores are compared with: the base's, and each task's own expert's."""
        own: dict[str, tuple[str, float]] = {}
        for choice in self.family.choices:
            expert = next((e for e in self.recipe.experts if e.source == choice.source), None)
            score = choice.score_at(expert.step if expert else None)
            if choice.task and score:
                own[choice.task] = (choice.name, score[0])
        return self.base_scores, own

    @property
    def frame(self) -> list[Any]:
        """What decides the shape of every figure: the experts, and whose they are."""
        return [self.family.id, [(e.source, e.name, e.step) for e in self.recipe.experts]]

    @cached_property
    def colours(self) -> dict[str, str]:
        """Colour token of each expert, as on its chip."""
        return colours_of(self.family)

    @cached_property
    def weights(self) -> np.ndarray:
        """Coefficients, (n,), or (n, tensors) where they change with depth."""
        weights = self.recipe.weights or (1.0,) * len(self.recipe.experts)
        if not any(isinstance(w, Depth) for w in weights):
            return np.array(weights, np.float64)
        slots = self.measured.stack.slots
        return np.array(
            [[w.at(s.depth) if isinstance(w, Depth) else w for s in slots] for w in weights]
        )

    @property
    def measured(self) -> Measures:
        """What is measured about these experts.

        Raises:
            FeedError: they cannot be compared.
        """
        if self.measures is None:
            raise FeedError(*NO_BASE)
        return self.measures

    @property
    def scored(self) -> Scores:
        """The scores.

        Raises:
            TaskError: nothing can be scored.
        """
        if self.scores is None:
            why = self.missing or "These models have no task."
            raise TaskError(why, "" if why == self.family.missing else self.family.missing)
        return self.scores

    @cached_property
    def cancelled(self) -> CancelledInfo:
        """How much of the weighted change cancels."""
        return self.measured.cancelled(self.weights)

    @cached_property
    def norms(self) -> NormsInfo:
        """How far experts and merged model moved."""
        flat = None if self.merged is None else self.merged.flat
        if flat is None:
            why = self.merged.why if self.merged else ""
            raise FeedError(why, "Merge it for real to see what it does.")
        return self.measured.norms(flat.numpy())

    @cached_property
    def question(self) -> Question:
        """What a visitor tries out; raises TaskError for what cannot be used."""
        return question_of(self)

    @cached_property
    def answers(self) -> Answered:
        """What every model answers to it."""
        return ask(self, self.question)

    @property
    def share(self) -> float:
        """The share whose overlap is looked at."""
        share = self.view.get("topk", DEFAULT_SHARE)
        good = isinstance(share, int | float) and 0 < share <= 1
        return float(share) if good else DEFAULT_SHARE

    @property
    def key(self) -> str:
        """The tensor whose histogram is looked at: the chosen one, else the largest."""
        slots = self.measured.stack.slots
        chosen = self.view.get("key")
        if any(slot.key == chosen for slot in slots):
            return str(chosen)
        return max(slots, key=lambda slot: (slot.stop - slot.start, slot.key)).key


def colours_of(family: Family) -> dict[str, str]:
    """Return the colour token of each expert of a family, by its place."""
    return {c.name: f"@expert-{i % 8 + 1}" for i, c in enumerate(family.choices)}

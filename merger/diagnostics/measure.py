"""Everything that can be said about a set of experts before merging them, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from merger.align import align
from merger.checkpoint import Checkpoint
from merger.diagnostics.cancelled import CancelledInfo, measure_cancelled
from merger.diagnostics.cosine import CosineInfo, gram_by_slot, measure_cosine
from merger.diagnostics.grid import grid_of
from merger.diagnostics.norms import NormsInfo, measure_norms
from merger.diagnostics.overlap import OverlapInfo, measure_overlap
from merger.diagnostics.signs import SignsInfo, measure_signs
from merger.errors import FeedError
from merger.info import Info, plain
from merger.progress import Report
from merger.recipe import Depth, Recipe
from merger.sources import open_source
from merger.stack import MAX_BYTES, Stack, stack_experts
from merger.tokenizers import match_vocabularies

TOP_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class MeasureInfo(Info):
    """Geometry of a set of experts.

    Args:
        cosine: Directions of the task vectors.
        norms: How far each expert moved.
        signs: Where experts pull in opposite directions.
        cancelled: How much of their change is lost.
        overlap: Whether they change the same weights.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    cosine: CosineInfo
    norms: NormsInfo
    signs: SignsInfo
    cancelled: CancelledInfo
    overlap: OverlapInfo
    sample: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the public shape of `measure`."""
        signs, cancelled, overlap = self.signs, self.cancelled, self.overlap
        shape = {
            "experts": self.cosine.experts,
            "layers": self.norms.layers,
            "cosine": self.cosine.cosine,
            "norms": self.norms.norms,
            "conflict": {
                "rate": signs.rate.value,
                "null": signs.rate.null,
                "by_layer": signs.layers.value,
                "pairwise": signs.pairwise.value,
            },
            "cancelled": {"mass": cancelled.mass.value, "null": cancelled.mass.null},
            "overlap": {
                "share": overlap.share,
                "jaccard": overlap.jaccard.value,
                "null": overlap.jaccard.null,
            },
            "sample": self.sample,
            "interval": self._interval(),
        }
        return plain(shape)

    def _interval(self) -> dict[str, Any] | None:
        """Return [low, high] for each sampled number; None when nothing was sampled."""
        if self.sample is None:
            return None

        def ends(value: np.ndarray, half: np.ndarray | float, low: float) -> Any:
            return np.stack([np.maximum(value - half, low), np.minimum(value + half, 1.0)], -1)

        return {
            "conflict": ends(self.signs.rate.value, self.signs.half_width, 0.0),
            "cancelled": ends(self.cancelled.mass.value, self.cancelled.half_width, 0.0),
            "cosine": ends(self.cosine.cosine, self.cosine.half_width, -1.0),
            "jaccard": ends(self.overlap.jaccard.value, self.overlap.half_width, 0.0),
        }


def measure(
    experts: Recipe | Stack,
    *,
    sample: float | None = None,
    share: float = TOP_SHARE,
    weights: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    base_dir: Path | None = None,
    max_bytes: int = MAX_BYTES,
    report: Report | None = None,
    cancel: Event | None = None,
) -> MeasureInfo:
    """Measure how the experts of a recipe relate: directions, sizes, conflict and overlap.

    Args:
        experts: A recipe, or task vectors that are read already.
        sample: Share of the coordinates to estimate from; every one when None.
        share: Share of the weights in each expert's support, for the overlap.
        weights: Coefficients, shape (n,) or (n, slots); the recipe's own, else 1 each, when None.
        seed: Which sample.
        base_dir: Folder that relative sources start from.
        max_bytes: The most memory the task vectors may take.
        report: Told how far reading is.
        cancel: Stops the reading.
    """
    if isinstance(experts, Stack):
        stack = experts
    else:
        stack = open_stack(
            experts, sample=sample, seed=seed, base_dir=base_dir, max_bytes=max_bytes,
            report=report, cancel=cancel,
        )  # fmt: skip
        weights = slot_weights(experts, stack) if weights is None else weights
    grams, grid = gram_by_slot(stack), grid_of(stack.slots)
    turned = None if weights is None else _signs_of(np.asarray(weights, np.float64))
    return MeasureInfo(
        measure_cosine(stack, grams),
        measure_norms(stack, grams, grid),
        measure_signs(stack, turned, grid),
        measure_cancelled(stack, weights, seed),
        measure_overlap(stack, share),
        stack.sample,
    )


def open_stack(
    recipe: Recipe,
    *,
    sample: float | None = None,
    seed: int = 0,
    base_dir: Path | None = None,
    max_bytes: int = MAX_BYTES,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Stack:
    """Read the task vectors of a recipe's experts."""
    if recipe.base is None:
        raise FeedError(
            "measure needs a base: task vectors are differences from it, and the recipe has none.",
            "Add `base:` with the model that the experts were fine-tuned from.",
        )
    if not recipe.experts:
        raise FeedError("measure needs at least one expert, got none.", "Pick some experts first.")
    open_here = partial(open_source, base_dir=base_dir, report=report, cancel=cancel)
    base = open_here(recipe.base)
    models: list[Checkpoint] = [open_here(e.source, e.step, base=base) for e in recipe.experts]
    matched = match_vocabularies(recipe, base, models)
    fit = align(matched.base, matched.experts)
    fit.raise_if_bad()
    names = [e.name for e in recipe.experts]
    return stack_experts(
        matched.base, matched.experts, names, keys=fit.mergeable, sample=sample, seed=seed,
        max_bytes=max_bytes, report=report, cancel=cancel,
    )  # fmt: skip


def slot_weights(recipe: Recipe, stack: Stack) -> np.ndarray:
    """Return a recipe's coefficients, shape (n,), or (n, slots) when they change with depth."""
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    if not any(isinstance(w, Depth) for w in weights):
        return np.array([float(w) for w in weights if not isinstance(w, Depth)])
    return np.array(
        [[w.at(s.depth) if isinstance(w, Depth) else w for s in stack.slots] for w in weights]
    )


def _signs_of(weights: np.ndarray) -> np.ndarray | None:
    """Return one sign per expert; where a sign changes with depth, none is taken over."""
    if weights.ndim == 1:
        return np.sign(weights)
    signs = np.sign(weights)
    return signs[:, 0] if (signs == signs[:, :1]).all() else None

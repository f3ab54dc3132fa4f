"""Keeps fully scored merges in the library, with what they may be compared with and by."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from merger.diagnostics.norms import squares_by_slot
from merger.library import Library
from merger.live import LiveMerge, LiveSet
from merger.recipe import Recipe
from merger.scored import MergeFacts, ScoredRecipe
from merger.scorer import SCORER_VERSION, FullScore
from merger.sizes import stored_bytes
from merger.words import recipe_in_words


def anchor_of(live: LiveSet) -> str:
    """Return what names the base, the examples and the scorer of a set.

    Scores of two merges can be compared where this is the same.
    """
    tasks = sorted((task.name, task.content) for task in live.tasks)
    text = json.dumps([live.models.base_id, tasks, SCORER_VERSION])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def keep(
    library: Library,
    live: LiveSet,
    recipe: Recipe,
    merged: LiveMerge,
    full: FullScore,
    owner: str,
    **about: Any,
) -> ScoredRecipe:
    """Add a fully scored merge to its owner's rows.

    Args:
        library: Where rows are kept.
        live: The set it was merged from.
        recipe: The recipe.
        merged: Its merge in memory.
        full: Its answers on a whole split.
        owner: Token of the visitor.
        about: Where it comes from: `origin`, `seconds`, and of an exploration `key` and `index`.
    """
    report = live.report(full)
    return library.add(
        report.digest,
        recipe.to_yaml(),
        report.to_json(),
        scorer=str(SCORER_VERSION),
        owner=owner,
        facts=facts_of(live, recipe, merged, full.split, **about),
    )


def facts_of(
    live: LiveSet, recipe: Recipe, merged: LiveMerge, split: str, **about: Any
) -> MergeFacts:
    """Return what is kept of a merge.

    Args:
        live: The set it was merged from.
        recipe: The recipe.
        merged: Its merge in memory.
        split: Which split it was scored on.
        about: Where it comes from: `origin`, and of an exploration `key` and `index`.
    """
    base = live.known_of(None, split) if live.models.base is not None else None
    plain: dict[str, Any] = {
        "method": recipe.method,
        "words": recipe_in_words(recipe),
        "experts": [expert.name for expert in recipe.experts],
        "base": {} if base is None else {name: o.value for name, o in base.outcomes.items()},
    }
    planned = live.models.plan(recipe)
    return MergeFacts(
        anchor_of(live), update_norm(live, merged), stored_bytes(planned), plain | about
    )


def update_norm(live: LiveSet, merged: LiveMerge) -> float | None:
    """Return ‖merged − base‖ / ‖base‖, estimated where a sample is held; None if unknown."""
    stack = live.stack
    if live.models.base is None or merged.flat is None:
        return None
    base = squares_by_slot(stack, stack.base).sum()
    moved = squares_by_slot(stack, merged.flat.numpy(), stack.base).sum()
    return float(np.sqrt(moved / base)) if base > 0 else None

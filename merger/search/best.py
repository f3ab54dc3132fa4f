"""The best of what was tried with one method and the same experts."""

import json
from collections.abc import Sequence
from functools import lru_cache

from merger.errors import MergeError
from merger.recipe import Recipe
from merger.search.trial import Trial

GOAL = "mean"


def frame_of(recipe: Recipe) -> str:
    """Return what stays while settings and coefficients are searched, as text.

    Two recipes have the same frame when method, base, experts with their steps, verbs, rules and
    seed agree; the order of the experts does not matter.
    """
    plain = recipe.to_json()
    kept = {k: v for k, v in plain.items() if k not in ("params", "weights", "experts")}
    experts = sorted([e.source, e.step or 0] for e in recipe.experts)
    return json.dumps([kept, experts], sort_keys=True, default=str)


def like(recipe: Recipe, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return the trials with the recipe's frame that have a mean normalised score."""
    frame = frame_of(recipe)
    return tuple(
        t
        for t in trials
        if t.method == recipe.method and GOAL in t.values and _frame_of_text(t.recipe) == frame
    )


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the best mean normalised score on validation, if any."""
    return max(trials, key=lambda t: (t.values[GOAL].value, t.digest), default=None)


@lru_cache(4096)
def _frame_of_text(text: str) -> str:
    try:
        return frame_of(Recipe.from_yaml(text))
    except MergeError:
        return ""  # a row of another version: it is like none

"""The settings of a recipe that can be drawn: what a slider moves, within what is valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from merger.errors import RecipeError
from merger.knobs import Param
from merger.recipe import Recipe, plain_value
from merger.spec import METHODS

COEFFICIENTS = (0.0, 1.0)
"""From an expert that is switched off to one that counts in full; `scale` goes beyond."""
WEIGHT = "weight:"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One setting that is drawn.

    Args:
        name: The knob, or "weight:" and the expert's name.
        low: Smallest value drawn.
        high: Largest value drawn.
        whole: Whether only whole numbers are drawn.
    """

    name: str
    low: float
    high: float
    whole: bool = False

    def at(self, share: float) -> float | int:
        """Return the value at a share of the track; three digits, as a slider would give."""
        value = self.low + share * (self.high - self.low)
        if self.whole:
            return min(int(self.high), int(self.low) + int(share * (self.high - self.low + 1)))
        digits = 3 if self.high - self.low >= 0.1 else 7
        return round(value, digits)


@dataclass(frozen=True, slots=True)
class Space:
    """The settings of one recipe that are drawn; all others stay as they are.

    Args:
        recipe: What stays: method, experts, their steps, verbs, words and depth curves.
        dimensions: What is drawn.
    """

    recipe: Recipe
    dimensions: tuple[Dimension, ...]

    @property
    def key(self) -> str:
        """Names this exploration: what stays and what is drawn, but no drawn value."""
        drawn = {d.name for d in self.dimensions}
        plain = self.recipe.to_json()
        params = plain.pop("params", {})
        fixed = {name: value for name, value in params.items() if name not in drawn}
        plain.pop("weights", None)
        weights = plain_value(self.recipe.weights or (1.0,) * len(self.recipe.experts))
        experts = zip(self.recipe.experts, weights, strict=True)
        kept = [None if WEIGHT + e.name in drawn else w for e, w in experts]
        ranges = [(d.name, d.low, d.high, d.whole) for d in self.dimensions]
        text = json.dumps([plain, fixed, kept, ranges], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def recipe_at(self, shares: Sequence[float]) -> Recipe:
        """Return the recipe at a point of the unit cube.

        Raises:
            RecipeError: these settings do not go together.
        """
        values = {
            d.name: d.at(float(share)) for d, share in zip(self.dimensions, shares, strict=True)
        }
        recipe = self.recipe
        knobs = {k: v for k, v in values.items() if not k.startswith(WEIGHT)}
        weights = recipe.weights
        if len(knobs) < len(values):
            given = weights or (1.0,) * len(recipe.experts)
            weights = tuple(
                values.get(WEIGHT + e.name, w) for e, w in zip(recipe.experts, given, strict=True)
            )
        drawn = replace(recipe, params=dict(recipe.params) | knobs, weights=weights)
        # Through plain data, as everything that is typed: checked, and with one canonical text.
        return Recipe.from_json(plain_value(drawn.to_json()))


def space_of(recipe: Recipe) -> Space:
    """Return what can be drawn of a recipe: sliders of its method, and coefficients.

    A setting that is a word, a yes or no, "auto", a list or a curve over depth stays as it is.
    A slider that reaches to both sides of 0 is drawn on the side on which it stands.

    Raises:
        RecipeError: nothing can be drawn.
    """
    method = METHODS.find(recipe.method, "merge")
    settings = method.resolve(recipe.params, len(recipe.experts))
    found = [_dimension(p, settings[p.name]) for p in method.params]
    dimensions = [d for d in found if d is not None]
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    used = method.experts[1] or len(recipe.experts)
    if not method.weights_note and len(recipe.experts) > 1:
        dimensions += [
            Dimension(WEIGHT + e.name, *COEFFICIENTS)
            for e, w in list(zip(recipe.experts, weights, strict=True))[:used]
            if isinstance(w, int | float)
        ]
    if not dimensions:
        raise RecipeError(
            f"{method.title} has no slider and no coefficient to draw here.",
            "Pick a method with settings, such as TIES or task arithmetic.",
        )
    return Space(recipe, tuple(dimensions))


def _dimension(param: Param, value: Any) -> Dimension | None:
    if not param.is_number or param.type is bool or not isinstance(value, int | float):
        return None
    track = param.to_json()["slider"]
    if track is None:
        return None
    low, high = (float(end) for end in track)
    if low < 0 < high and param.type is float:
        low, high = (0.0, high) if value >= 0 else (low, 0.0)
    bottom, top = param.knob.low, param.knob.high
    low = low if bottom is None else max(low, bottom)
    high = high if top is None else min(high, top)
    return Dimension(param.name, low, high, param.type is int) if low < high else None

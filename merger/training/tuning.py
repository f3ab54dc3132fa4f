"""A global factor chosen on one half of the examples and reported on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from merger.errors import RecipeError
from merger.recipe import Depth, Recipe, Rule, plain_value
from merger.spec import METHODS
from merger.tasks.base import Outcomes, Task

FACTORS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
SCALE = "scale"

Answers = Mapping[str, Outcomes]  # by task


def tuned_knob(recipe: Recipe) -> str:
    """Return what a global factor multiplies: the method's scale, else the coefficients."""
    scale = METHODS[recipe.method].resolve(recipe.params, len(recipe.experts)).get(SCALE)
    return SCALE if isinstance(scale, int | float | Depth | tuple) else "weights"


def setting_of(recipe: Recipe) -> str:
    """Return the recipe's own scale in words; empty where it has none."""
    if tuned_knob(recipe) != SCALE:
        return ""
    scale = METHODS[recipe.method].resolve(recipe.params, len(recipe.experts))[SCALE]
    return f"{SCALE} {scale:g}" if isinstance(scale, int | float) else f"{SCALE} {_words(scale)}"


def scaled(recipe: Recipe, factor: float) -> Recipe | None:
    """Return the recipe with its update multiplied as a whole; None where that is not valid."""
    if factor == 1.0:
        return recipe
    if tuned_knob(recipe) == SCALE:
        scale = METHODS[recipe.method].resolve(recipe.params, len(recipe.experts))[SCALE]
        params = MappingProxyType({**recipe.params, SCALE: _times(scale, factor)})
        rules = tuple(_scaled_rule(rule, factor) for rule in recipe.rules)
        changed = replace(recipe, params=params, rules=rules)
    else:
        weights = recipe.weights or (1.0,) * len(recipe.experts)
        rules = tuple(
            rule if rule.weights is None else replace(rule, weights=_times(rule.weights, factor))
            for rule in recipe.rules
        )
        changed = replace(recipe, weights=_times(weights, factor), rules=rules)
    try:
        changed.resolved()
    except RecipeError:
        return None
    return changed


def factors_of(recipe: Recipe) -> tuple[float, ...]:
    """Return the factors that can be tried."""
    return tuple(factor for factor in FACTORS if scaled(recipe, factor) is not None)


def halves(task: Task, outcomes: Outcomes) -> np.ndarray:
    """Return which examples of a task are in the first of two halves.

    Examples that share a source (a font family) stay together, and every run draws the same.
    """
    names, where, sizes = np.unique(outcomes.clusters, return_inverse=True, return_counts=True)
    draw = np.random.Generator(np.random.PCG64(list(f"halves/{task.name}".encode())))
    first = np.zeros(len(names), bool)
    taken = 0
    for cluster in draw.permutation(len(names)):
        first[cluster] = taken + sizes[cluster] <= (len(outcomes) + 1) // 2
        taken += int(sizes[cluster]) * bool(first[cluster])
    return first[where]


def cross_tuned(
    tasks: Sequence[Task], tried: Mapping[float, Answers]
) -> tuple[dict[str, Outcomes], tuple[float, float]]:
    """Return answers whose factor was chosen on the other half, and the factor of either half.

    Each half of the examples is answered with the factor that is best, in the mean over tasks,
    on the other half, so that no example had a say in the factor that it is reported with.

    Args:
        tasks: The tasks.
        tried: Answers by factor.
    """
    masks = {task.name: halves(task, tried[1.0][task.name]) for task in tasks}
    on_second = _best(tasks, tried, {name: ~mask for name, mask in masks.items()})
    on_first = _best(tasks, tried, masks)
    stitched = {}
    for task in tasks:
        mask = masks[task.name]
        a, b = tried[on_second][task.name], tried[on_first][task.name]
        top = np.where(mask, a.top, b.top)
        stitched[task.name] = replace(a, top=top)
    return stitched, (on_second, on_first)


def can_halve(tasks: Sequence[Task], answers: Answers) -> bool:
    """Tell whether both halves of every task hold an example."""
    return all(0 < halves(t, answers[t.name]).sum() < len(answers[t.name]) for t in tasks)


def _best(
    tasks: Sequence[Task], tried: Mapping[float, Answers], part: Mapping[str, np.ndarray]
) -> float:
    def mean(factor: float) -> float:
        rows = [tried[factor][t.name].take(np.flatnonzero(part[t.name])).value for t in tasks]
        return float(np.mean(rows)) * (1 if tasks[0].higher_is_better else -1)

    # Of equals the one that stays nearest to the recipe.
    return max(tried, key=lambda factor: (mean(factor), -abs(np.log(factor))))


def _scaled_rule(rule: Rule, factor: float) -> Rule:
    if SCALE not in rule.params:
        return rule
    params = {**rule.params, SCALE: _times(rule.params[SCALE], factor)}
    return replace(rule, params=MappingProxyType(params))


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Depth):
        return Depth(tuple(v * factor for v in value.values))
    if isinstance(value, tuple):
        return tuple(_times(v, factor) for v in value)
    return value * factor


def _words(value: Any) -> str:
    plain = plain_value(value)
    listed = plain["depth"] if isinstance(plain, dict) else plain
    return "[" + " ".join(f"{v:g}" for v in listed) + "]"

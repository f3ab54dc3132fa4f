"""The recipes that the stops of the tour set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from merger.recipe import Recipe, Step
from merger.training import StepGrid, TrainingInfo
from viz.catalog import first_recipe, zoo_family

FACTOR = 0.5


@dataclass(frozen=True)
class Known:
    """What recipes of the tour may depend on.

    Args:
        all: The bundled experts, all of them at their last steps.
        curve: The training curve of a recipe as far as it is measured, and its steps.
        knee: The merge at the knee of the visitor's front; None without scored merges.
    """

    all: Recipe
    curve: Callable[[Recipe], tuple[TrainingInfo | None, StepGrid]]
    knee: Callable[[], Recipe | None]


def all_experts() -> Recipe:
    """Return the bundled experts at their last steps, as the page opens with them."""
    return first_recipe(zoo_family())


def average(known: Known) -> Recipe:
    """Return the plain average of all experts."""
    return replace(known.all, method="average", params={})


def plain_sum(known: Known) -> Recipe:
    """Return task arithmetic with a common factor: the simplest merge with a knob."""
    return replace(known.all, method="task_arithmetic", params={"scale": FACTOR})


def stepped_back(known: Known) -> Recipe:
    """Return the plain sum at its best measured step; halfway along where none is measured."""
    recipe = plain_sum(known)
    info, grid = known.curve(recipe)
    best = None if info is None else info.best(info.fixed)
    return grid.recipe_at(recipe, (len(grid.steps) - 1) // 2 if best is None else best)


def ties(known: Known) -> Recipe:
    """Return TIES with the same experts and the same factor as the plain sum."""
    return replace(known.all, method="ties", params={"scale": FACTOR})


def lines(known: Known) -> Recipe:
    """Return the plain sum, scaled by depth afterwards."""
    return replace(plain_sum(known), after=(Step("lines"),))


def at_the_knee(known: Known) -> Recipe:
    """Return the merge at the knee of the front; TIES where nothing is scored yet."""
    return known.knee() or ties(known)

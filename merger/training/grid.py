"""The steps along which a merge is followed, and where each expert stands at each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merger.errors import FeedError
from merger.live_merge import Place
from merger.recipe import Expert, Recipe, source_key
from merger.scorer import SCORER_VERSION
from merger.sources import SourceSteps, source_steps
from merger.tasks import Task

MOST_STEPS = 16
# Part of every curve's digest: raise it when the same models give another curve.
CURVE_VERSION = 1
NO_STEPS = (
    "None of these experts has checkpoints of earlier steps.",
    "The Trainer of transformers keeps them as checkpoint-N inside a model's folder "
    "(save_strategy='steps'); the bundled experts have eight each.",
)


@dataclass(frozen=True, slots=True)
class StepGrid:
    """Steps in order, and the checkpoint of each expert at each.

    At a step every expert stands at its last checkpoint that is not later, as if training had
    been stopped there; at its first where all are later. Experts without steps stay as they are.

    Args:
        steps: The steps, shape (S,).
        kept: The checkpoint of each expert at each step, (S, n); None where it has no steps.
        finals: The step that stands for each expert where none is named; None when unknown.
    """

    steps: tuple[int, ...]
    kept: tuple[tuple[int | None, ...], ...]
    finals: tuple[int | None, ...]

    def recipe_at(self, recipe: Recipe, index: int) -> Recipe:
        """Return the recipe with every expert at the checkpoint of one step."""
        rows = zip(recipe.experts, self.kept[index], self.finals, strict=True)
        return replace(recipe, experts=tuple(_at(*row) for row in rows))

    def index_of(self, recipe: Recipe) -> int | None:
        """Return the step at which all experts of a recipe stand; None where they differ."""
        here = self.steps_of(recipe)
        for index, row in enumerate(self.kept):
            if all(a is None or a == b for a, b in zip(row, here, strict=True)):
                return index
        return None

    def steps_of(self, recipe: Recipe) -> tuple[int | None, ...]:
        """Return the step of each expert of a recipe; None where it is not known."""
        rows = zip(recipe.experts, self.finals, strict=True)
        return tuple(final if expert.step is None else expert.step for expert, final in rows)


def step_grid(recipe: Recipe, place: Place) -> StepGrid:
    """Return the steps that the sources of a recipe's experts keep.

    Raises:
        FeedError: none of them has more than one checkpoint with a known step.
    """
    found = [
        source_steps(e.source, base_dir=place.base_dir, roots=place.roots) for e in recipe.experts
    ]
    return grid_of(found)


def grid_of(found: Sequence[SourceSteps]) -> StepGrid:
    """Return the grid over some experts' steps; at most 16, evenly spaced in log2."""
    steps: list[int] = []
    kept: list[tuple[int | None, ...]] = []
    for step in sorted({step for each in found for step in each.steps}):
        row = tuple(_not_later(each.steps, step) for each in found)
        if kept and row == kept[-1]:
            # Some expert has nothing this early: what it has stands for a later step.
            steps[-1] = step
            continue
        steps.append(step)
        kept.append(row)
    if len(steps) < 2:
        raise FeedError(*NO_STEPS)
    chosen = _thinned(steps)
    return StepGrid(
        tuple(steps[i] for i in chosen),
        tuple(kept[i] for i in chosen),
        tuple(each.final for each in found),
    )


def curve_digest(
    recipe: Recipe,
    grid: StepGrid,
    tasks: Sequence[Task],
    base_id: str,
    id_of: Callable[[Expert], str],
) -> str:
    """Return what names a curve: the recipe but for its experts' steps, all models, all tasks.

    Args:
        recipe: Any recipe of the curve; the steps of its experts do not matter.
        grid: Where its experts stand along the curve.
        tasks: What is scored.
        base_id: Content id of the base; empty without one.
        id_of: Returns the content id of a checkpoint.
    """
    ids: dict[str, str] = {} if recipe.base is None else {recipe.base: base_id}
    for index in range(len(grid.steps)):
        for expert in grid.recipe_at(recipe, index).experts:
            ids[source_key(expert)] = id_of(expert)
    plain = {
        "version": [CURVE_VERSION, SCORER_VERSION],
        "steps": grid.steps,
        "merges": [grid.recipe_at(recipe, i).digest(ids) for i in range(len(grid.steps))],
        "tasks": [[task.name, task.content] for task in tasks],
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _at(expert: Expert, step: int | None, final: int | None) -> Expert:
    # The final checkpoint is left unnamed, so that a recipe reads as people write it.
    return expert if step is None else replace(expert, step=None if step == final else step)


def _not_later(steps: Sequence[int], step: int) -> int | None:
    if not steps:
        return None
    return max((s for s in steps if s <= step), default=steps[0])


def _thinned(steps: Sequence[int]) -> list[int]:
    """Return the indices of at most MOST_STEPS steps, the first and the last among them."""
    if len(steps) <= MOST_STEPS:
        return list(range(len(steps)))
    at = np.log2(steps)
    wanted = np.linspace(at[0], at[-1], MOST_STEPS)
    return sorted({int(np.argmin(np.abs(at - x))) for x in wanted})

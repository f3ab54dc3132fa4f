"""What an adapter of the merge on screen, or of one of its experts, would keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from merger.compute import prepare
from merger.diagnostics.energy import EnergyInfo
from merger.errors import FeedError, RecipeError
from merger.live import LiveSet
from merger.model_thread import MODELS
from merger.outlook import Outlook, look_ahead, work_of
from merger.recipe import Recipe
from merger.refactor import check_adaptable
from viz.outputs import MOST_RANK
from viz.scene import Scene

USUAL = 16
# Multiplications that take about a second; what takes longer is measured as it is written.
MOST_WORK = 2_000_000_000


def energy_of(scene: Scene) -> EnergyInfo:
    """Return what an adapter of the rank that is looked at would keep.

    Raises:
        FeedError: these models are too large to take apart while somebody looks, or an adapter
            cannot stand for this merge.
    """
    live = scene.live
    if live is None:
        raise FeedError("These models cannot be compared.", "See the doctor's card.")
    # What was looked at before may be an expert of other models.
    there = [expert.name for expert in scene.recipe.experts]
    of = scene.view.get("of")
    try:
        recipe = of_expert(scene.recipe, of if of in there else "")
        return _outlook(scene, live, recipe).at(_rank(scene.view))
    except RecipeError as error:
        raise FeedError(error.message, error.hint) from None


def adapted(recipe: Recipe, base: str | None, of: object) -> Recipe:
    """Return what an adapter of a merge, or of one of its experts, is made of.

    Args:
        recipe: The merge.
        base: What its experts were tuned from, where the recipe does not say.
        of: An expert's name; "" or None for the merge.
    """
    if recipe.base is None and base is not None:
        recipe = Recipe.from_json(recipe.to_json() | {"base": base})
    return of_expert(recipe, of)


def of_expert(recipe: Recipe, name: object) -> Recipe:
    """Return the recipe that stands for one expert's own change; the merge itself for no name.

    Args:
        recipe: The merge.
        name: An expert's name, or "" or None.
    Raises:
        RecipeError: no expert of the merge has this name.
    """
    if name is None or name == "":
        return recipe
    chosen = [expert for expert in recipe.experts if expert.name == name]
    if not chosen:
        raise RecipeError(
            f"The merge has no expert {str(name)[:40]!r}.", "Choose one under Recipe & export."
        )
    # What is taken from the base stays so: no adapter can hold a parameter of its own.
    rules = tuple(rule for rule in recipe.rules if rule.take == "base")
    return Recipe(
        "task_arithmetic", tuple(chosen), recipe.base, params={"scale": 1.0}, rules=rules,
        out_dtype=recipe.out_dtype, tokenizer=recipe.tokenizer,
    )  # fmt: skip


def _outlook(scene: Scene, live: LiveSet, recipe: Recipe) -> Outlook:
    measured, base = scene.measured, live.models.base
    planned = live.models.plan(recipe)
    check_adaptable(base, planned)
    assert base is not None
    if live.sample is not None or work_of(planned) > MOST_WORK:
        raise FeedError(
            "Models this large are not taken apart while you look.",
            "Write the adapter: its card shows the curve. Another rank is then a second merge.",
        )
    experts = [live.models.experts[name] for name in planned.names]

    def look() -> Outlook:
        live.models.check_unchanged()
        return look_ahead(prepare(planned, base, experts), base, experts)

    # Without the merge's own digest a slider would show the curve of what it left.
    key = ("outlook", live.digest(replace(recipe, out_dtype=None)))
    return measured.once(key, lambda: MODELS.run(look, urgent=True))


def _rank(view: Mapping[str, Any]) -> int:
    rank = view.get("rank")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MOST_RANK:
        return USUAL
    return rank

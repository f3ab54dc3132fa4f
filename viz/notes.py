"""What the page says about a recipe beside its numbers: who is used, and whether order counts."""

from typing import Any

from merger.live import LiveMerge
from merger.recipe import Recipe
from merger.spec import METHODS


def notes(recipe: Recipe, merged: LiveMerge | None) -> dict[str, Any]:
    """Return which experts a recipe uses, what their order does, and what is surely not meant.

    `order` is one sentence; empty where another order would give the same merge.
    """
    method = METHODS[recipe.method]
    most = method.experts[1]
    names = [expert.name for expert in recipe.experts]
    knobs = recipe.resolved().params
    said = [f"{n.what} {n.remedy}".strip() for n in merged.notices] if merged else []
    found: dict[str, Any] = {"used": names[:most], "order": "", "notices": said}
    if not method.is_ordered(knobs, len(names)):
        return found
    if most is not None and len(names) > most:
        which = "the first one that is" if most == 1 else f"the first {most} that are"
        found["order"] = f"{method.title} uses {which} on: drag a card to choose."
    else:
        found["order"] = f"For {method.title} their order counts: drag a card by its number."
    return found

"""What the page says about a recipe beside its numbers: who is used, and whether order counts."""

from typing import Any

from merger.recipe import Recipe
from merger.spec import METHODS


def notes(recipe: Recipe) -> dict[str, Any]:
    """Return which experts a recipe uses, and what is to be known about their order.

    `order` is one sentence; empty where another order would give the same merge.
    """
    method = METHODS[recipe.method]
    most = method.experts[1]
    names = [expert.name for expert in recipe.experts]
    knobs = recipe.resolved().params
    found: dict[str, Any] = {"used": names[:most], "order": ""}
    if not method.is_ordered(knobs, len(names)):
        return found
    if most is not None and len(names) > most:
        which = "the first one that is" if most == 1 else f"the first {most} that are"
        found["order"] = f"{method.title} uses {which} on: drag a card to choose."
    else:
        found["order"] = f"For {method.title} their order counts: drag a card by its number."
    return found

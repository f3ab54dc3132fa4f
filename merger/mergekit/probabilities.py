"""The probabilities that DELLA draws with, which mergekit checks too."""

from typing import Any

from merger.errors import RecipeError
from merger.recipe import Depth, Recipe


def check_probabilities(recipe: Recipe) -> None:
    """Check that density ± epsilon are probabilities wherever DELLA draws.

    Raises:
        RecipeError: they are not for some settings.
    """
    if recipe.method not in ("della", "della_linear"):
        return
    usual = recipe.resolved().params
    for params in (usual, *({**usual, **rule.params} for rule in recipe.rules)):
        for density, epsilon in _pairs(params["density"], params["epsilon"]):
            if 0.0 < density < 1.0 and not 0.0 < density - epsilon < density + epsilon < 1.0:
                raise RecipeError(
                    f"{recipe.method}: density {density:g} ± epsilon {epsilon:g} leaves 0 … 1, "
                    "and mergekit stops there too.",
                    "Lower epsilon; its default is 0.15.",
                )


def _pairs(density: Any, epsilon: Any) -> list[tuple[float, float]]:
    def spread(value: Any) -> list[Any]:
        return list(value) if isinstance(value, tuple) else [value]

    def both(one: Any, other: Any) -> list[tuple[float, float]]:
        a, b = ([*v.values] if isinstance(v, Depth) else [v] for v in (one, other))
        if len(a) == len(b):
            return list(zip(a, b, strict=True))
        return [(x, y) for x in a for y in b]

    densities, epsilons = spread(density), spread(epsilon)
    count = max(len(densities), len(epsilons))
    rows = zip((densities * count)[:count], (epsilons * count)[:count], strict=True)
    return [pair for d, e in rows for pair in both(d, e)]

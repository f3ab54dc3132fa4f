"""Settings thrown with a seed: the same seed gives the same sliders everywhere."""

import hashlib
from dataclasses import replace

from merger.errors import RecipeError
from merger.recipe import Recipe
from merger.search.quasi import BLOCK, shares
from merger.search.space import space_of
from merger.spec import METHODS

LAST_SEED = 2**53 - 1  # the largest number that a browser counts to


def roll(recipe: Recipe, seed: int) -> Recipe:
    """Return a recipe with every slider and coefficient of its method drawn anew.

    What is drawn depends on the seed, the method and the experts' names alone: not on their order,
    and not on where the sliders stand. Words, switches, steps, verbs and rules stay as they are.

    Args:
        recipe: What stays.
        seed: 0 to 2**53 − 1.
    Raises:
        RecipeError: the seed is not valid, or nothing can be drawn.
    """
    if not 0 <= seed <= LAST_SEED:
        raise RecipeError(f"A seed is a whole number from 0 to {LAST_SEED}, got {seed}.")
    method = METHODS.find(recipe.method, "merge")
    kept = {k: v for k, v in recipe.params.items() if not method.param(k).is_number}
    space = space_of(replace(recipe, weights=None, params=kept))
    names = [d.name for d in space.dimensions]
    order = sorted(names)
    experts = sorted(e.name for e in recipe.experts)
    points = shares(len(names), 0, BLOCK, _key("dice", str(seed), method.name, *experts))
    for point in points.tolist():
        by_name = dict(zip(order, point, strict=True))
        try:
            return space.recipe_at([by_name[name] for name in names])
        except RecipeError:
            continue  # settings that do not go together: the next point of the same seed
    raise RecipeError(
        f"None of {BLOCK} throws gave settings of {method.title} that go together.",
        "Use another seed.",
    )


def _key(*words: str) -> int:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:16])

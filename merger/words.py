"""A recipe as one would say it: method, experts, what was changed."""

from typing import Any

from merger.recipe import Depth, Expert, Recipe
from merger.spec import METHODS, Method


def recipe_in_words(recipe: Recipe) -> str:
    """Return a recipe as one sentence without its full stop; what has its default is left out.

    Example:
        >>> from merger.recipe import Recipe
        >>> recipe_in_words(Recipe.from_json({"method": "ties", "base": "zoo:base",
        ...     "experts": ["zoo:mnist", "zoo:greek@64"], "weights": [1, 0.5],
        ...     "params": {"density": 0.1}}))
        'TIES of mnist and 0.5 × greek at step 64, with density 0.1'
    """
    method = METHODS[recipe.method]
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    used = method.experts[1] or len(recipe.experts)
    experts = [_expert(e, w) for e, w in list(zip(recipe.experts, weights, strict=True))[:used]]
    parts = [f"{method.title} of {listed(experts)}"]
    settings = _settings(method, recipe.params)
    if settings:
        parts.append(f"with {listed(settings)}")
    for when, steps in (("first", recipe.before), ("then", recipe.after)):
        for step in steps:
            verb = METHODS[step.verb]
            said = _settings(verb, step.params)
            parts.append(f"{when} {verb.title}" + (f" ({', '.join(said)})" if said else ""))
    if recipe.rules:
        count = len(recipe.rules)
        parts.append(f"{count} rule{'s' * (count != 1)} by tensor name")
    if recipe.out_dtype:
        parts.append(f"saved as {recipe.out_dtype}")
    if recipe.seed:
        parts.append(f"seed {recipe.seed}")
    return ", ".join(parts)


def listed(words: list[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def value_in_words(value: Any) -> str:
    """Return a setting as one would say it.

    Example:
        >>> value_in_words(0.30000001), value_in_words(None), value_in_words((1.0, 2.0))
        ('0.3', 'auto', '1, 2')
    """
    if isinstance(value, Depth):
        ends = " to ".join(f"{v:.4g}" for v in value.values)
        return f"{ends} over depth"
    if isinstance(value, tuple | list):
        return ", ".join(value_in_words(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "auto" if value is None else str(value)


def _expert(expert: Expert, weight: Any) -> str:
    name = expert.name if expert.step is None else f"{expert.name} at step {expert.step}"
    if weight == 1.0:
        return name
    factor = value_in_words(weight)
    return f"({factor}) × {name}" if isinstance(weight, Depth) else f"{factor} × {name}"


def _settings(method: Method, params: Any) -> list[str]:
    said = []
    for name in sorted(params):
        value = params[name]
        if value == method.param(name).default and "dialect" not in params:
            continue
        said.append(f"{name.replace('_', ' ')} {value_in_words(value)}")
    return said

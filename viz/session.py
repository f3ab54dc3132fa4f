"""The only place that changes the recipe: what the page sends becomes a canonical recipe.

The page keeps a *draft*: which chips are on, which step, the method, the knobs, the coefficients.
It is untrusted. `recipe_of` turns it into a checked `Recipe`; `draft_of` turns a recipe back into
a draft, so that a permalink, an edited YAML, an undo and a click on a plot all end the same way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from merger.errors import MergeError, RecipeError
from merger.recipe import Depth, Recipe, plain_value
from merger.spec import METHODS
from viz.catalog import MAX_EXPERTS, Catalog, Choice, Family, first_recipe

KEPT = ("rules", "before", "out_dtype", "seed", "tokenizer")


def recipe_of(draft: Mapping[str, Any], catalog: Catalog) -> Recipe:
    """Return the recipe that a draft describes.

    Raises:
        RecipeError, SourceError: what the page sent is not valid.
    """
    family = catalog.family(_text(draft.get("family")))
    rows = _rows(draft, family)
    data: dict[str, Any] = {
        "method": _text(draft.get("method")),
        "experts": [_expert(row, family) for row in rows],
        "params": _mapping(draft.get("params")),
        "after": draft.get("after") or [],
    }
    if family.base is not None:
        data["base"] = family.base
    weights = [row.get("weight", 1.0) for row in rows]
    if any(w != 1.0 for w in weights):
        data["weights"] = weights
    kept = _mapping(draft.get("kept"))
    data |= {key: kept[key] for key in KEPT if kept.get(key) is not None}
    return Recipe.from_json(_follow(data, _list(draft.get("listed"))))


def draft_of(recipe: Recipe, catalog: Catalog, previous: Mapping[str, Any] | None = None) -> dict:
    """Return the draft that shows a recipe.

    Args:
        recipe: A checked recipe whose sources the catalog offers.
        catalog: What can be picked.
        previous: An earlier draft; chips that the recipe leaves out keep their place, step and
            weight.
    Raises:
        RecipeError: it takes two checkpoints of one model, for which there is one chip.
    """
    family = catalog.family_of(recipe)
    before = {}
    if previous and previous.get("family") == family.id:
        rows_before = (_mapping(r) for r in _list(previous.get("experts")))
        before = {str(r.get("name")): r for r in rows_before}
    on = {e.source: (i, e) for i, e in enumerate(recipe.experts)}
    if len(on) < len(recipe.experts):
        raise RecipeError(
            "The page shows one checkpoint of each model, and this recipe takes two of one.",
            "Use the command line for several checkpoints of one run.",
        )
    rows = []
    for choice in _in_order(recipe, family, list(before)):
        row = dict(before.get(choice.name, {"name": choice.name, "step": None, "weight": 1.0}))
        row["on"] = choice.source in on
        if row["on"]:
            index, expert = on[choice.source]
            weights = recipe.weights
            row["step"] = choice.final if expert.step is None else expert.step
            row["alias"] = None if expert.name == choice.name else expert.name
            row["weight"] = 1.0 if weights is None else plain_value(weights[index])
        rows.append(row)
    plain = recipe.to_json()
    return {
        "family": family.id,
        "experts": rows,
        "method": recipe.method,
        "params": plain.get("params", {}),
        "after": plain.get("after", []),
        "kept": {key: plain[key] for key in KEPT if key in plain},
        "listed": [e.name for e in recipe.experts],
    }


def recipe_from_text(text: str, catalog: Catalog) -> Recipe:
    """Return the recipe that somebody typed or that a link carries; sources must be on offer."""
    recipe = Recipe.from_yaml(text)
    family = catalog.family_of(recipe)
    if recipe.base is None and family.base is not None and _needs_base(recipe):
        raise RecipeError(f"{recipe.method} needs a base.", f"Add 'base: {family.base}'.")
    if len(recipe.experts) > MAX_EXPERTS:
        raise RecipeError(
            f"The studio shows at most {MAX_EXPERTS} experts, got {len(recipe.experts)}.",
            "Use the command line for more.",
        )
    return recipe


def opening(catalog: Catalog, text: str | None = None) -> tuple[Recipe, MergeError | None]:
    """Return the recipe a page opens with, and what was wrong with the link if it was not used."""
    if text:
        try:
            recipe = recipe_from_text(text, catalog)
            draft_of(recipe, catalog)
            return recipe, None
        except MergeError as error:
            return first_recipe(catalog.families[0]), error
    return first_recipe(catalog.families[0]), None


def recipe_line(recipe: Recipe) -> str:
    """Return a recipe in one line, as one would say it."""
    params = ", ".join(f"{k} {_word(v)}" for k, v in sorted(recipe.params.items()))
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    experts = " + ".join(
        e.name
        + (f"@{e.step}" if e.step is not None else "")
        + ("" if w == 1.0 else f"×{_word(w)}")
        for e, w in zip(recipe.experts, weights, strict=True)
    )
    after = "".join(f" → {s.verb}" for s in recipe.after)
    settings = f"({params})" if params else ""
    return f"{recipe.method}{settings} of {experts}{after}"


def _in_order(recipe: Recipe, family: Family, before: Sequence[str]) -> list[Choice]:
    """Return the choices as chips stand: experts in their order, others where they were."""
    by_name = {choice.name: choice for choice in family.choices}
    known = [by_name[name] for name in before if name in by_name]
    choices = [*known, *(c for c in family.choices if c.name not in before)]
    by_source = {choice.source: choice for choice in choices}
    turns = iter([by_source[expert.source] for expert in recipe.experts])
    on = {expert.source for expert in recipe.experts}
    return [next(turns) if choice.source in on else choice for choice in choices]


def _follow(data: dict[str, Any], listed: Sequence[Any]) -> dict[str, Any]:
    """Let lists with one value per expert follow their experts to where the chips stand now.

    Args:
        data: A recipe as plain data.
        listed: Names of the experts, in the order of the lists.
    """
    names = [expert["name"] for expert in data["experts"]]
    if names == list(listed) or not set(names) <= set(listed):
        return data
    places = [listed.index(name) for name in names]

    def follow(value: Any) -> Any:
        fits = isinstance(value, list) and len(value) == len(listed)
        return [value[i] for i in places] if fits else value

    def follow_all(params: Any) -> Any:
        whole = isinstance(params, Mapping)
        return {k: follow(v) for k, v in params.items()} if whole else params

    rules = data.get("rules") or []
    moved = [
        {k: follow_all(v) if k == "params" else follow(v) for k, v in rule.items()}
        if isinstance(rule, Mapping)
        else rule
        for rule in rules
    ]
    return data | {"params": follow_all(data["params"])} | ({"rules": moved} if rules else {})


def _needs_base(recipe: Recipe) -> bool:
    return "base" in METHODS[recipe.method].needs


def _rows(draft: Mapping[str, Any], family: Family) -> list[Mapping[str, Any]]:
    rows = [_mapping(r) for r in _list(draft.get("experts"))]
    solo = draft.get("solo")
    if solo is not None and any(r.get("name") == solo for r in rows):
        return [r for r in rows if r.get("name") == solo]
    on = [r for r in rows if r.get("on")]
    if len(on) > MAX_EXPERTS:
        raise RecipeError(
            f"The studio merges at most {MAX_EXPERTS} experts at once, got {len(on)}.",
            "Switch some off, or use the command line.",
        )
    return on


def _expert(row: Mapping[str, Any], family: Family) -> dict[str, Any]:
    choice = family.choice(_text(row.get("name")))
    out: dict[str, Any] = {"source": choice.source, "name": row.get("alias") or choice.name}
    step = row.get("step")
    if step is not None and choice.steps and step != choice.final:
        if step not in choice.steps:
            raise RecipeError(
                f"{choice.name} has no checkpoint at step {str(step)[:20]!r}.",
                f"It has {', '.join(map(str, choice.steps))}.",
            )
        out["step"] = step
    return out


def _word(value: Any) -> str:
    if isinstance(value, Depth):
        return "[" + " ".join(f"{v:g}" for v in value.values) + "]"
    if isinstance(value, tuple):
        return "[" + " ".join(_word(v) for v in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return "auto" if value is None else str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RecipeError(f"The page sent {type(value).__name__} where a name belongs.", "Reload.")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"The page sent {type(value).__name__} for settings.", "Reload.")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RecipeError(f"The page sent {type(value).__name__} for a list.", "Reload.")
    return value

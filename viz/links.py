"""What a link asks for beside what is here: pinned recipes, and experts that are missing."""

from collections.abc import Mapping
from typing import Any

from merger.errors import MergeError, SourceError
from merger.recipe import Expert, Recipe, plain_value
from merger.sources import is_hub
from viz.answers import error_card
from viz.catalog import Catalog, Family
from viz.hub_catalog import HubCatalog, names_hub
from viz.session import KEPT, recipe_from_text, recipe_line, recipe_of

MOST_PINS = 4
MOST_NAMES = 8
LONGEST_NAME = 60


def pins_of(request: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return the pins of a link that can be shown, and a card for those that cannot.

    Args:
        request: What the page sent; `pins` is a list of recipe texts.
        catalog: What can be picked.
    Returns: {"pins": [{"text", "line"}]}, with "left_out" where one does not work.
    """
    sent = request.get("pins")
    texts = [t for t in sent if isinstance(t, str)][:MOST_PINS] if isinstance(sent, list) else []
    pins: list[dict[str, str]] = []
    left_out: MergeError | None = None
    for text in texts:
        try:
            recipe = recipe_from_text(text, catalog)
        except MergeError as error:
            left_out = error
        else:
            pins.append({"text": recipe.to_yaml(), "line": recipe_line(recipe)})
    answer: dict[str, Any] = {"pins": pins}
    if left_out is not None:
        card = error_card(left_out)
        answer["left_out"] = card | {"what": "A pinned merge of this link is left out."}
    return answer


def link_card(error: MergeError, text: str, catalog: Catalog) -> dict[str, Any]:
    """Return the card for a recipe that cannot be shown, with what is here of it.

    Args:
        error: What was wrong with it.
        text: The recipe.
        catalog: What can be picked.
    """
    try:
        recipe = Recipe.from_yaml(text) if isinstance(error, SourceError) else None
    except MergeError:
        recipe = None
    if recipe is None:
        return error_card(error)
    if isinstance(catalog, HubCatalog) and names_hub(recipe):
        return error_card(error) | {"hub": _hub_of(recipe) | {"text": text}}
    known = {s for f in catalog.families for s in (f.base, *(c.source for c in f.choices)) if s}
    strange = [e for e in recipe.experts if e.source not in known]
    base = [recipe.base] if recipe.base is not None and recipe.base not in known else []
    if not strange and not base:
        return error_card(error)
    family = _nearest(recipe, catalog)
    needs = [*base, *(e.source for e in strange)]
    here = _listed([c.name for c in family.choices])
    card: dict[str, Any] = {
        "kind": "error",
        "what": "This recipe needs models that this page does not offer.",
        "why": f"Missing here: {_listed(needs)}.",
        "todo": f"Offered here ({family.title[:LONGEST_NAME]}): {here}.",
    }
    part = None if base else _without(recipe, strange, family, catalog)
    if part is not None:
        label = f"Open it without {_listed([e.name for e in strange])}"
        card["offer"] = {"label": label, "text": part.to_yaml()}
    return card


def _hub_of(recipe: Recipe) -> dict[str, Any]:
    """Return what the page looks up for a recipe with models of the hub."""
    experts = list(dict.fromkeys(e.source for e in recipe.experts if is_hub(e.source)))
    base = recipe.base if recipe.base is not None and is_hub(recipe.base) else ""
    return {"label": "Look up its models", "base": base, "experts": experts}


def _nearest(recipe: Recipe, catalog: Catalog) -> Family:
    """Return the family that offers most of a recipe; the first of those that offer as much."""
    sources = {e.source for e in recipe.experts}

    def offers(family: Family) -> tuple[bool, int]:
        return recipe.base == family.base, sum(c.source in sources for c in family.choices)

    return max(catalog.families, key=offers)


def _without(
    recipe: Recipe, strange: list[Expert], family: Family, catalog: Catalog
) -> Recipe | None:
    """Return a recipe without some experts; None where nothing that works is left of it."""
    names = {c.source: c.name for c in family.choices}
    weights = recipe.weights or (1.0,) * len(recipe.experts)
    rows = [
        {"name": names[e.source], "alias": e.name, "step": e.step, "weight": plain_value(w)}
        for e, w in zip(recipe.experts, weights, strict=True)
        if e not in strange and e.source in names
    ]
    plain = recipe.to_json()
    draft = {
        "family": family.id,
        "experts": [row | {"on": True} for row in rows],
        "method": recipe.method,
        "params": plain.get("params", {}),
        "after": plain.get("after", []),
        "kept": {key: plain[key] for key in KEPT if key in plain},
        "listed": [e.name for e in recipe.experts],
    }
    try:
        found = recipe_of(draft, catalog) if rows else None
        return None if found is None else recipe_from_text(found.to_yaml(), catalog)
    except MergeError:
        return None


def _listed(names: list[str]) -> str:
    """Return names in a row; of many the first ones, and how many more there are."""
    shown = [n if len(n) <= LONGEST_NAME else f"{n[:LONGEST_NAME]}…" for n in names[:MOST_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

"""Answers what a report asks for, step by step: progress is true, and it can be stopped.

A report is of the recipe that its button was pressed for, whatever happens on the page meanwhile.
"""

from collections.abc import Mapping
from threading import Event
from typing import Any

from merger.errors import MergeError, RecipeError
from merger.recipe import Recipe
from viz.catalog import Catalog
from viz.desk import Desk, Merge
from viz.links import MOST_PINS
from viz.report import report_of
from viz.scene import Scene
from viz.screens import panels
from viz.session import recipe_from_text


def report_facts(
    desk: Desk, catalog: Catalog, request: Mapping[str, Any], cancel: Event
) -> dict[str, Any]:
    """Measure a merge and return its report without figures; `more` asks to be called again."""
    scene, made, pins, more = _look(desk, catalog, request, cancel)
    return {"more": True} if more else {"more": False, "report": report_of(scene, made, pins)}


def report_chart(desk: Desk, catalog: Catalog, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return one figure of a report, or the card that says why it cannot be drawn."""
    spec = panels().get(str(request.get("panel")))
    if spec is None:
        raise RecipeError("The page asked for a chart that is not there.", "Reload it.")
    scene, *_ = _look(desk, catalog, request, None)
    part = spec.payload(scene, None, None)
    assert part is not None  # nothing is known to the page, so all is sent
    return {"figure": part.get("base"), "card": part["error"]}


def _look(
    desk: Desk, catalog: Catalog, request: Mapping[str, Any], cancel: Event | None
) -> tuple[Scene, Merge, list[Recipe], bool]:
    text = request.get("text")
    if not isinstance(text, str):
        raise RecipeError("The page sent no recipe to report on.", "Reload it.")
    recipe = recipe_from_text(text, catalog)
    family = catalog.family_of(recipe)
    made = desk.merge(recipe, family)
    pins = _pins(catalog, request, family.id)
    shown = desk.pin(desk.merge(pins[0], family), score=True, cancel=cancel) if pins else None
    against = shown.scores.full if shown and shown.scores else None
    if cancel is None:  # everything has been measured for the first page of the report
        scores, more = desk.full(made, against), False
    else:
        scores, more = desk.rest(made, against, cancel)
    view = request.get("view")
    seen = view if isinstance(view, dict) else {}
    return desk.scene(made, family, scores, shown, seen), made, pins, more


def _pins(catalog: Catalog, request: Mapping[str, Any], family: str) -> list[Recipe]:
    """Return the pins that can be compared with: those of the same models that still work."""
    sent = request.get("pins")
    found = []
    for text in sent[:MOST_PINS] if isinstance(sent, list) else []:
        try:
            recipe = recipe_from_text(text, catalog) if isinstance(text, str) else None
        except MergeError:
            continue
        if recipe is not None and catalog.family_of(recipe).id == family:
            found.append(recipe)
    return found

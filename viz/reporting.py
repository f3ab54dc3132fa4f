"""Answers what a report asks for, step by step: progress is true, and it can be stopped.

A report is of the recipe that its button was pressed for, whatever happens on the page meanwhile.
"""

from collections.abc import Mapping
from dataclasses import replace
from threading import Event
from typing import Any

from merger.errors import RecipeError
from merger.recipe import Recipe
from viz.asking import Asking
from viz.desk import Merge
from viz.links import MOST_PINS
from viz.report import report_of
from viz.requests import text_of, view_of
from viz.scene import Scene
from viz.screens import panels
from viz.session import recipe_from_text


def report_facts(asking: Asking, request: Mapping[str, Any], cancel: Event) -> dict[str, Any]:
    """Measure a merge and return its report without figures; `more` asks to be called again."""
    scene, made, pins, more = look_at(asking, request, cancel)
    return {"more": True} if more else {"more": False, "report": report_of(scene, made, pins)}


def report_chart(asking: Asking, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return one figure of a report, or the card that says why it cannot be drawn."""
    spec = panels().get(str(request.get("panel")))
    if spec is None:
        raise RecipeError("The page asked for a chart that is not there.", "Reload it.")
    scene, *_ = look_at(asking, request, None)
    part = spec.payload(scene, None, None)
    assert part is not None  # nothing is known to the page, so all is sent
    return {"figure": part.get("base"), "card": part["error"]}


def look_at(
    asking: Asking, request: Mapping[str, Any], cancel: Event | None
) -> tuple[Scene, Merge, list[Recipe], bool]:
    """Return the measured scene of a recipe that was sent, its merge, and the pins that work.

    The last word says whether asking again would tell more.

    Args:
        asking: Reads requests.
        request: What the page sent: the recipe's text, the pins' texts, the view.
        cancel: Stops measuring; with None all that is slow is taken to be known.
    """
    desk = asking.desk
    catalog = asking.catalog_of(request)
    recipe = recipe_from_text(text_of(request), catalog)
    family = catalog.family_of(recipe)
    made = desk.merge(recipe, family)
    sent = request.get("pins")
    texts = sent[:MOST_PINS] if isinstance(sent, list) else []
    pins = [pin for text in texts if (pin := asking.pin(text, family)) is not None]
    shown = desk.pin(desk.merge(pins[0], family), score=True, cancel=cancel) if pins else None
    against = shown.scores.full if shown and shown.scores else None
    if cancel is None:  # everything has been measured for the first page of the report
        scores, more = desk.full(made, against), False
    else:
        scores, more = desk.rest(made, against, cancel)
    scene = desk.scene(made, family, scores, shown, view_of(request))
    if shown and len(pins) > 1:
        # With two pins these are compared with each other, as on the page.
        second = desk.pin(desk.merge(pins[1], family), score=True, cancel=cancel)
        scene = replace(scene, pins=(shown, second))
    return scene, made, pins, more

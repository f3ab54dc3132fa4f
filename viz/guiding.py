"""What the guided tour asks of the server: the recipe of a stop, and what is measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from merger.errors import MergeError, RecipeError
from merger.recipe import Recipe
from merger.training import StepGrid, TrainingInfo
from viz.answers import answers
from viz.desk import Merge
from viz.reporting import look_at
from viz.requests import mapping_of, view_of, visitor_of
from viz.scene import Scene
from viz.screens import pareto
from viz.tour import FAMILY, Stop, stop_of
from viz.tour_recipes import Known, all_experts
from viz.tour_words import best_of_front

if TYPE_CHECKING:
    from viz.studio import Studio


@dataclass(eq=False)
class Guiding:
    """The server half of the tour.

    Args:
        studio: Whose page is shown around.
    """

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/tour.js calls, by name."""
        return (self.tour, self.tour_words)

    @answers
    def tour(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the recipe and the pin that a stop sets; none where it leaves what is there."""
        stop, known = _stop(request), self._known(request)
        recipe = stop.recipe(known)
        pins = [] if stop.pin is None else [stop.pin(known).to_yaml()]
        return {"text": None} if recipe is None else {"text": recipe.to_yaml(), "pins": pins}

    @answers
    def tour_words(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what is seen at a stop, for the recipe that it has set."""
        stop = _stop(request)
        cancel = self.studio.settling.start(visitor_of(request), "tour")
        scene, made, *_ = look_at(
            self.studio.asking, request | {"view": _view_of(request)}, cancel
        )
        try:
            return {"words": stop.words(self._with_history(scene, made, request))}
        except MergeError as error:
            return {"words": f"{error.message} {error.hint}".strip()}

    def _known(self, request: Mapping[str, Any]) -> Known:
        whole = all_experts()
        return Known(whole, self._curve, lambda: self._knee(whole, request))

    def _curve(self, recipe: Recipe) -> tuple[TrainingInfo | None, StepGrid]:
        desk = self.studio.desk
        recipe, live = desk.open(recipe, self.studio.catalog.family(FAMILY))
        grid, digest = desk.curves.find(recipe, live)
        return desk.curves.known(digest), grid

    def _knee(self, recipe: Recipe, request: Mapping[str, Any]) -> Recipe | None:
        """Return the merge at the knee of the front that the page shows, else its best end."""
        family = self.studio.catalog.family(FAMILY)
        made = self.studio.desk.merge(recipe, family)
        scene = self.studio.desk.scene(made, family, None, None, _view_of(request))
        info = pareto.measure(self._with_history(scene, made, request))
        at = best_of_front(info) if info.knee is None else info.knee
        if at is None:
            return None
        row = self.studio.library.get(info.cloud.digests[at], visitor_of(request))
        return Recipe.from_yaml(row.recipe)

    def _with_history(self, scene: Scene, made: Merge, request: Mapping[str, Any]) -> Scene:
        history = self.studio.archive.history(visitor_of(request), made.live)
        return replace(scene, history=history)


def _stop(request: Mapping[str, Any]) -> Stop:
    stop = stop_of(request.get("id"))
    if stop is None:
        raise RecipeError("The tour has no such stop.", "Reload the page.")
    return stop


def _view_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is looked at; the front is told of on validation, which chooses it."""
    view = dict(view_of(request))
    return view | {"pareto": mapping_of(view.get("pareto")) | {"split": "validation"}}

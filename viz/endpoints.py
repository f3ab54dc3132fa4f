"""Public endpoints: `methods preview measure merge job cancel`; all else is private."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from merger.diagnostics.measure import measure as measure_stack
from merger.errors import FeedError, MergeError
from merger.spec import METHODS
from viz.jobs_view import start_merge
from viz.scene import NO_BASE
from viz.session import recipe_from_text

if TYPE_CHECKING:
    from viz.studio import Studio


# Programs share one owner, and with it one turn among visitors and one limit; ids are their keys.
PROGRAMS = "programs"


def endpoints(studio: "Studio") -> dict[str, Callable[..., Any]]:
    """Return the endpoints by name; each docstring is what a program's author reads."""

    def methods() -> list[dict[str, Any]]:
        """List merge methods and verbs with their settings, bounds and laws."""
        return [method.to_json() for method in METHODS.values()]

    @_shown
    def preview(recipe: str) -> dict[str, Any]:
        """Score a recipe (YAML) on full validation, merged in memory."""
        made = studio.desk.merge(*_read(studio, recipe))
        full = made.live.full(made.recipe)
        return made.live.report(full).to_json()

    @_shown
    def measure(recipe: str) -> dict[str, Any]:
        """Measure conflict, cancelled mass, overlap, norms and cosines of a recipe (YAML)."""
        made = studio.desk.merge(*_read(studio, recipe))
        measures = studio.desk.measures(made)
        if measures is None:
            raise FeedError(*NO_BASE)
        return measure_stack(measures.stack).to_json()

    @_shown
    def merge(recipe: str) -> dict[str, Any]:
        """Start the real merge of a recipe (YAML); returns the job, whose id is its secret."""
        checked, family = _read(studio, recipe)
        view = start_merge(studio.jobs, checked, PROGRAMS, family)
        return studio.jobs.get(view["id"]).to_json()

    @_shown
    def job(id: str) -> dict[str, Any]:
        """Return how a job stands."""
        return studio.jobs.get(id).to_json()

    @_shown
    def cancel(id: str) -> dict[str, Any]:
        """Ask a job to stop."""
        return studio.jobs.cancel(id).to_json()

    found = (methods, preview, measure, merge, job, cancel)
    return {endpoint.__name__: endpoint for endpoint in found}


def _read(studio: "Studio", text: str) -> Any:
    recipe = recipe_from_text(text, studio.catalog)
    return recipe, studio.catalog.family_of(recipe)


def _shown(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Let a program see what a user can act on, and nothing else."""
    name, doc, hints = endpoint.__name__, endpoint.__doc__, endpoint.__annotations__

    def call(text: str) -> dict[str, Any]:
        try:
            return endpoint(text)
        except MergeError as error:
            raise gr.Error(
                f"{error.message} {error.hint}".strip(), print_exception=False
            ) from None

    call.__name__, call.__doc__, call.__annotations__ = name, doc, {"text": str, "return": dict}
    assert hints
    return call

"""What the Pareto tab asks of the server: points, the table, notes, files, explorations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from merger.errors import MergeError, RecipeError
from merger.recipe import Recipe
from merger.search.export import trials_to_csv, trials_to_json
from merger.search.front import front
from merger.search.space import space_of
from merger.search.trial import Trial, points_of
from merger.spec import METHODS
from viz.answers import answers
from viz.catalog import Family
from viz.desk import Merge
from viz.jobs_view import job_view
from viz.places import job_rules
from viz.requests import mapping_of, visitor_of
from viz.scene import Scene
from viz.screens import panels
from viz.screens.pareto import axes_of, shown_trials, wanted
from viz.trial_table import table_of

if TYPE_CHECKING:
    from viz.studio import Studio

PANEL = "pareto"
DRAWN = 64
LARGE = (
    "These models are too large for scores that follow a slider: each merge is read from disk and "
    "scored in the background."
)


@dataclass(eq=False)
class Trials:
    """The server half of the Pareto tab."""

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/trials.js and explore.js call, by name."""
        table = (self.trials, self.trial, self.annotate, self.export)
        return (*table, self.models, self.explore, self.score_test)

    @answers
    def trials(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the points and one page of the table, as they are now."""
        scene = self._scene(request)
        revs, stamps = mapping_of(request.get("revs")), mapping_of(request.get("stamps"))
        part = panels()[PANEL].payload(scene, revs.get(PANEL), stamps.get(PANEL))
        return {
            "panels": {} if part is None else {PANEL: part},
            "table": table_of(scene, mapping_of(request.get("table"))),
            "axes": self._axes(scene),
            "methods": self._methods(scene),
            "explore": _explorable(scene),
            "room": self._room(request),
        }

    @answers
    def models(self, request: dict[str, Any]) -> dict[str, Any]:
        """Score the base or one expert by itself; say whether some are left."""
        _, _, made = self.studio.asking.merge(request)
        return {"more": self.studio.desk.know_models(made)}

    @answers
    def annotate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Pin, note or forget one of the visitor's own merges."""
        library, owner, digest = self.studio.library, visitor_of(request), _digest(request)
        if request.get("forget") is True:
            library.delete(digest, owner)
            return {}
        note, pinned = request.get("note"), request.get("pinned")
        library.annotate(
            digest,
            owner,
            note=note if isinstance(note, str) else None,
            pinned=pinned if isinstance(pinned, bool) else None,
        )
        return {}

    @answers
    def trial(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the recipe of one merge, for the sliders to go there."""
        row = self.studio.library.get(_digest(request), visitor_of(request))
        return {"text": row.recipe}

    @answers
    def export(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the merges that the table shows as one file."""
        scene = self._scene(request)
        as_csv = request.get("format") == "csv"
        write = trials_to_csv if as_csv else trials_to_json
        name = f"mergescope-merges.{'csv' if as_csv else 'json'}"
        return {"name": name, "text": write(shown_trials(scene), wanted(scene))}

    @answers
    def explore(self, request: dict[str, Any]) -> dict[str, Any]:
        """Score the next 64 settings of the current method in the background."""
        _, family, made = self.studio.asking.merge(request)
        return {"job": self.begin(request, family, made)}

    def begin(self, request: Mapping[str, Any], family: Family, made: Merge) -> dict[str, Any]:
        """Start exploring the settings of a merge's method, and return the view of the job.

        Raises:
            RecipeError: nothing can be drawn, or there is no task.
        """
        space_of(made.recipe)
        self._check_tasks(made)
        title = f"Explore {DRAWN} settings of {METHODS[made.recipe.method].title}"
        order = {"recipe": made.recipe.to_json(), "count": DRAWN, "seed": made.recipe.seed}
        return self._submit("explore", order, request, family, title)

    @answers
    def score_test(self, request: dict[str, Any]) -> dict[str, Any]:
        """Score the merges on the front on test, in the background; test never chooses them."""
        scene = self._scene(request)
        _, family, made = self.studio.asking.merge(request)
        chosen = [t for t in _best(scene) if not t.test][:DRAWN]
        if not chosen:
            raise RecipeError(
                "Every merge on this front has its test scores, or there is none yet.",
                "Explore first, or choose other axes.",
            )
        recipes = [Recipe.from_yaml(t.recipe).to_json() for t in chosen]
        title = f"Score {len(chosen)} on test"
        order = {"recipes": recipes, "split": "test"}
        return {"job": self._submit("score", order, request, family, title)}

    def _submit(
        self,
        kind: str,
        order: dict[str, Any],
        request: Mapping[str, Any],
        family: Family,
        title: str,
    ) -> dict[str, Any]:
        owner = visitor_of(request)
        where = {
            "workspace": str(self.studio.workspace.folder),
            **job_rules(family),
            "owner": owner,
        }
        job = self.studio.jobs.submit(kind, order | where, owner=owner, title=title)
        return job_view(job)

    def _scene(self, request: Mapping[str, Any]) -> Scene:
        _, family, made = self.studio.asking.merge(request)
        desk, view = self.studio.desk, mapping_of(request.get("view"))
        scores = None if desk.known(made) is None else desk.full(made, None)
        pinned = self.studio.asking.pinned(request, family)
        pin = None if pinned is None else desk.pin(pinned, score=False)
        scene = desk.scene(made, family, scores, pin, view)
        history = self.studio.archive.history(visitor_of(request), made.live)
        return replace(scene, history=history)

    def _axes(self, scene: Scene) -> dict[str, Any]:
        trials = scene.history.trials if scene.history else ()
        seen = {name for t in trials for name in t.values}
        x, y = axes_of(scene)
        known = [
            {"name": o.name, "title": o.title, "empty": bool(trials) and o.name not in seen}
            for o in wanted(scene)
        ]
        return {"known": known, "x": x.name, "y": y.name}

    def _methods(self, scene: Scene) -> list[dict[str, Any]]:
        trials = scene.history.trials if scene.history else ()
        counts: dict[str, int] = {}
        for trial in trials:
            counts[trial.method] = counts.get(trial.method, 0) + 1
        return [
            {"name": name, "title": METHODS[name].title, "count": counts[name]}
            for name in sorted(counts)
            if name in METHODS
        ]

    def _room(self, request: Mapping[str, Any]) -> str:
        """Say when old rows have to make room, before somebody misses them."""
        library = self.studio.library
        kept = library.count(visitor_of(request))
        if kept < 0.9 * library.limit:
            return ""
        return (
            f"You keep {kept:,} scores; beyond {library.limit:,} the oldest that are not pinned "
            "make room. Pin what shall stay, or export it."
        )

    def _check_tasks(self, made: Merge) -> None:
        if not made.live.tasks_of(made.recipe):
            raise RecipeError(
                "There is no task to score these merges on.", made.live.why_no_scores()
            )


def _explorable(scene: Scene) -> dict[str, Any]:
    """Say what "Explore 64" would do, and what it would take."""
    assert scene.live is not None
    try:
        count = len(space_of(scene.recipe).dimensions)
    except MergeError as error:
        return {"count": DRAWN, "why": f"{error.message} {error.hint}".strip(), "words": ""}
    drawn = f"{count} setting{'s' * (count != 1)}"
    words = f"Draws {drawn} of {METHODS[scene.recipe.method].title} evenly, {DRAWN} merges a press"
    times = [t.seconds for t in (scene.history.trials if scene.history else ()) if t.seconds]
    if times:
        words += f", about {_time(DRAWN * median(times[:DRAWN]))} on this machine"
    note = f" {LARGE}" if scene.live.sample is not None else ""
    return {"count": DRAWN, "why": "", "words": f"{words}.{note}"}


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _best(scene: Scene) -> list[Trial]:
    trials, axes = shown_trials(scene), axes_of(scene)
    mask = front(points_of(trials, axes), [o.higher_is_better for o in axes])
    return [t for t, best in zip(trials, mask.tolist(), strict=True) if best]


def _digest(request: Mapping[str, Any]) -> str:
    digest = request.get("digest")
    if not isinstance(digest, str) or len(digest) > 128:
        raise RecipeError("The page named no merge.", "Reload it.")
    return digest

"""What the page can ask of the server: private functions for the page, public endpoints for code.

Every request carries all it needs and nothing is kept per visitor, so visitors cannot mix.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from merger.errors import JobError, SourceError
from merger.jobs import JobRunner
from merger.library import Library
from merger.profiles import shape_table
from merger.recipe import Recipe
from merger.scorer import FullScore
from merger.spec import METHODS
from merger.workspace import Workspace
from viz.answers import answers, async_answers
from viz.archive import Archive
from viz.asking import Asking
from viz.catalog import Catalog
from viz.checkup import Checkup
from viz.comparing import Comparing
from viz.curves import Curves
from viz.desk import Desk, Merge
from viz.endpoints import endpoints
from viz.facts import shown
from viz.guiding import Guiding
from viz.hub_desk import HubDesk
from viz.hub_host import HubHost
from viz.jobs_view import job_view, next_view, start_merge
from viz.kpis import kpis
from viz.library_rows import kept_scores, remember
from viz.links import link_card, pins_of
from viz.notes import notes
from viz.offer import family_view
from viz.reporting import report_chart, report_facts
from viz.requests import id_of, plain, text_of, texts_of, view_of, visible_of, visitor_of
from viz.scene import Scene
from viz.screens import panels
from viz.session import draft_of, opening, recipe_from_text, recipe_line
from viz.settling import Settling
from viz.starts import Starts
from viz.tour import outline
from viz.trials import PANEL, Trials
from viz.trying import Trying


@dataclass(eq=False)
class Studio:
    """The server half of the page.

    Args:
        catalog: What visitors can pick.
        jobs: Runs real merges.
        library: Remembers full scores.
        workspace: Where results lie.
        page_url: Address for links, where the page lives in somebody's frame.
        hub: How visitors read the hub; None where the host does not allow it.
        fetches: Runs what is fetched from there; beside the merges where it is another one.
    """

    catalog: Catalog
    jobs: JobRunner
    library: Library
    workspace: Workspace
    page_url: str = ""
    hub: HubHost | None = None
    fetches: JobRunner | None = None
    desk: Desk = field(default_factory=Desk)
    asking: Asking = field(init=False)
    archive: Archive = field(init=False)
    comparing: Comparing = field(init=False)
    hub_desk: HubDesk = field(init=False)
    settling: Settling = field(default_factory=Settling)

    def __post_init__(self) -> None:
        self.hub_desk = HubDesk(self, self.hub)
        self.catalog_of = self.hub_desk.catalog
        self.asking = Asking(self.catalog_of, self.desk)
        self.archive = Archive(self.library)
        self.comparing = Comparing(self)
        self.trying = Trying(self)
        self.desk.curves = Curves(self.workspace.folder / "curves")

    def server_functions(self) -> list[Callable[..., Any]]:
        """Return what assets/studio calls, by name."""
        bound = (self.open, self.preview, self.settle, self.load, self.lint)
        reports = (self.report, self.chart)
        jobs = (self.merge, self.train, self.job, self.cancel)
        # Gradio marks the functions it may call, and a bound method cannot be marked.
        tabs = (*Trials(self).functions(), *self.comparing.functions(), *Starts(self).functions())
        more = (*self.trying.functions(), *Guiding(self).functions(), *Checkup(self).functions())
        more += self.hub_desk.functions()
        return [plain(method) for method in (*bound, *reports, *jobs, *tabs, *more)]

    def endpoints(self) -> dict[str, Callable[..., Any]]:
        """Return the public endpoints by name."""
        return endpoints(self)

    @answers
    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what a page starts with: what can be picked, and the first draft."""
        sent = request.get("text")
        text = sent if isinstance(sent, str) else ""
        catalog = self.catalog_of(request)
        recipe, error = opening(catalog, text)
        answer: dict[str, Any] = {"config": self.config(request)}
        answer |= {"draft": draft_of(recipe, catalog)} | pins_of(request, catalog)
        return answer | ({"error": link_card(error, text, catalog)} if error else {})

    def config(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what does not change while a page is open."""
        methods = [
            m.to_json() | {"dialects": {k: dict(v) for k, v in m.dialects.items()}} | shown(m)
            for m in sorted(METHODS.values(), key=lambda m: m.place)
        ]
        offered = (*self.catalog.families, *self.hub_desk.on_shelf(request))
        families = [family_view(family) for family in offered]
        fixed: dict[str, Any] = {"shapes": shape_table(), "page_url": self.page_url}
        fixed |= {"tour": outline(self.catalog), "hub": self.hub_desk.settings(request)}
        return {"methods": methods, "families": families, **fixed}

    @answers
    def preview(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what a draft does, estimated, within the time of a drag."""
        self.settling.stop(visitor_of(request))
        recipe, family, made = self.asking.merge(request)
        pin = self.asking.pinned(request, family)
        full = self.desk.known(pin) if pin else None
        is_pin = full is not None
        if full is None:
            full = self._reference(request, made)
        scores = self.desk.preview(made, full, is_pin)
        shown = self.desk.pin(pin, score=False) if pin else None
        scene = self.desk.scene(made, family, scores, shown, view_of(request))
        pins = self.comparing.pins(request, family, shown, score=False)
        tried = self.trying.tried(request, family)
        return self._answer(request, recipe, replace(scene, pins=pins, tried=tried))

    @answers
    def settle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what a draft does, measured on full validation."""
        cancel = self.settling.start(visitor_of(request))
        recipe, family, made = self.asking.merge(request)
        pin = self.asking.pinned(request, family)
        shown = self.desk.pin(pin, score=True, cancel=cancel) if pin else None
        against = shown.scores.full if shown and shown.scores else None
        scores, more = self.desk.rest(made, against, cancel)
        if scores is not None:
            remember(self.library, made, scores, visitor_of(request))
        scene = self.desk.scene(made, family, scores, shown, view_of(request))
        pins = self.comparing.pins(request, family, shown, score=True, cancel=cancel)
        tried = self.trying.tried(request, family)
        answer = self._answer(request, recipe, replace(scene, pins=pins, tried=tried))
        return answer | {"reference": made.merged.digest, "more": more}

    @answers
    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the draft that shows a recipe text, and the pins that came with it."""
        text, sent = text_of(request), request.get("previous")
        catalog = self.catalog_of(request)
        previous = sent if isinstance(sent, dict) else None
        try:
            draft = draft_of(recipe_from_text(text, catalog), catalog, previous)
        except SourceError as error:
            return {"error": link_card(error, text, catalog)}
        return {"draft": draft} | pins_of(request, catalog)

    @answers
    def lint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether a recipe text is valid, and what it means."""
        recipe = recipe_from_text(text_of(request), self.catalog_of(request))
        return {"words": f"Valid: {recipe_line(recipe)}.", "text": recipe.to_yaml()}

    @answers
    def report(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what a report of a recipe says, or stop measuring for it."""
        if request.get("stop"):
            self.settling.stop(visitor_of(request), "report")
            return {}
        cancel = self.settling.start(visitor_of(request), "report")
        return report_facts(self.asking, request, cancel)

    @answers
    def chart(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return one figure of a report."""
        return report_chart(self.asking, request)

    @answers
    def merge(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start the real merge of a recipe in the background."""
        catalog = self.catalog_of(request)
        recipe = recipe_from_text(text_of(request), catalog)
        family = catalog.family_of(recipe)
        rank, of, owner = request.get("adapter"), request.get("of"), visitor_of(request)
        scores = kept_scores(self.library, self.desk, recipe, family, owner)
        check = request.get("check") is True
        job = start_merge(
            self.jobs, recipe, owner, family, rank, of=of, check=check, scores=scores
        )
        return {"job": job}

    @answers
    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say how far the training curve of a draft is measured, or start measuring it."""
        recipe, family = self.asking.recipe(request)
        recipe, live = self.desk.open(recipe, family)
        curves, owner = self.desk.curves, visitor_of(request)
        if request.get("start"):
            return {"job": job_view(curves.start(self.jobs, recipe, live, owner, family))}
        job = curves.running(self.jobs, recipe, live, owner)
        known = curves.known(curves.find(recipe, live)[1])
        measured = "no" if known is None else "whole" if known.complete else "part"
        return {"measured": measured, "job": None if job is None else job_view(job)}

    @async_answers
    async def job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the next look of a job."""
        seen = request.get("seen")
        try:
            view = await next_view(self.jobs, id_of(request), visitor_of(request), seen)
        except JobError:
            return {"job": None}
        return {"job": view}

    @async_answers
    async def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a job to stop."""
        job = await asyncio.to_thread(self.jobs.cancel, id_of(request), visitor_of(request))
        return {"job": job_view(job)}

    def _reference(self, request: Mapping[str, Any], made: Merge) -> FullScore | None:
        """Return the answers of the last full score, by its digest; they need no merge."""
        digest = request.get("reference")
        return made.live.known(digest) if isinstance(digest, str) else None

    def _answer(self, request: Mapping[str, Any], recipe: Recipe, scene: Scene) -> dict[str, Any]:
        known = panels()
        revs, stamps = texts_of(request.get("revs")), texts_of(request.get("stamps"))
        shown: dict[str, Any] = {}
        visible = visible_of(request)
        if PANEL in visible and scene.live is not None:
            history = self.archive.history(visitor_of(request), scene.live)
            scene = replace(scene, history=history)
        for id in visible:
            if id in known:
                part = known[id].payload(scene, revs.get(id), stamps.get(id))
                if part is not None:
                    shown[id] = part
        return {
            "text": recipe.to_yaml(),
            "digest": scene.merged.digest if scene.merged else "",
            "line": recipe_line(recipe),
            "notes": notes(recipe, scene.merged),
            "panels": shown,
            "kpis": kpis(scene),
            **self.comparing.words(request, recipe, scene.family),
            **self.trying.cards(request, scene),
        }

"""Many merges scored in the background: settings that are drawn, or recipes that are named."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from merger.errors import Cancelled, MergeError, RecipeError
from merger.jobs.rules import rules_of
from merger.keeping import anchor_of, keep
from merger.library import Library
from merger.live import LiveSet, Place
from merger.progress import Progress, Report, check_cancel
from merger.recipe import Recipe
from merger.search.quasi import Drawn, draw
from merger.search.space import space_of
from merger.sources import SourceRules
from merger.workspace import Workspace

MOST = 1024
UNIT = "merges"


def explore_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Score settings drawn for a recipe's method; each is kept as soon as it is known.

    The same seed goes on where it ended, also after a cancel and in another session.

    Args:
        payload: `recipe` in its JSON form, `count`, `seed`, `workspace` (a folder), `owner`, and
            `roots` and `granted`, all that a visitor may open.
    """
    recipe = Recipe.from_json(payload["recipe"])
    count, seed = _count(payload["count"]), int(payload.get("seed", 0))
    space = space_of(recipe)
    with closing(Workspace(payload["workspace"])) as workspace:
        work = _Work(Library(workspace), recipe, payload, report, cancel)
        key = f"{space.key}-{seed}-{work.anchor[:8]}"
        start = work.library.next_index(work.owner, key)
        points = ((d.recipe, {"index": d.index}) for d in _first(draw(space, start, seed), count))
        return work.run(points, count, "validation", origin="explore", key=key)


def score_in_background(
    payload: dict[str, Any], report: Report, cancel: threading.Event
) -> dict[str, Any]:
    """Score recipes that are named; each is kept as soon as it is known.

    Args:
        payload: `recipes` in their JSON form, all of one set of experts' family, `split`,
            `workspace` (a folder), `owner`, and `roots` and `granted`, all that a visitor may
            open.
    """
    recipes = [Recipe.from_json(plain) for plain in payload["recipes"]]
    count = _count(len(recipes))
    with closing(Workspace(payload["workspace"])) as workspace:
        work = _Work(Library(workspace), recipes[0], payload, report, cancel)
        return work.run(((recipe, {}) for recipe in recipes), count, str(payload["split"]))


class _Work:
    """What one job needs: its models, where it keeps what it finds, and whom it tells."""

    def __init__(
        self,
        library: Library,
        recipe: Recipe,
        payload: dict[str, Any],
        report: Report,
        cancel: threading.Event,
    ) -> None:
        rules = rules_of(payload) or SourceRules()
        self.library = library
        self.owner = str(payload["owner"])
        self.place = Place(roots=rules, folders=rules.folders)
        self.report, self.cancel = report, cancel
        report(Progress(0, 0, UNIT, "reading models"))
        self.live = LiveSet.open(recipe, place=self.place, cancel=cancel)
        self.anchor = anchor_of(self.live)

    def run(
        self,
        points: Iterable[tuple[Recipe | None, dict[str, Any]]],
        count: int,
        split: str,
        **about: Any,
    ) -> dict[str, Any]:
        """Score one recipe after the other and say how many there are now."""
        self._know_experts(split)
        scored = left_out = 0
        why = ""
        for done, (recipe, own) in enumerate(points):
            check_cancel(self.cancel)
            self.report(Progress(done, count, UNIT))
            try:
                if recipe is None:
                    raise RecipeError("Some settings do not go together.")
                self._score(recipe, split, done, count, about | own)
                scored += 1
            except Cancelled:
                raise
            except MergeError as error:
                # Drawn settings may overflow the stored dtype; the others still count.
                left_out, why = left_out + 1, str(error)
            self.report(Progress(done + 1, count, UNIT))
        return {"scored": scored, "left_out": left_out, "why": why, "split": split}

    def _score(
        self, recipe: Recipe, split: str, done: int, count: int, about: dict[str, Any]
    ) -> None:
        live = LiveSet.open(recipe, place=self.place, cancel=self.cancel)
        began = time.monotonic()
        merged = live.merge(recipe)

        def tell(inner: Progress) -> None:
            if live.sample is not None and inner.total:
                share = f"{inner.done:,} of {inner.total:,} {inner.unit} of this merge"
                self.report(Progress(done, count, UNIT, share))

        full = live.full(recipe, split, report=tell, cancel=self.cancel, merged=merged)
        seconds = round(time.monotonic() - began, 3)
        keep(self.library, live, recipe, merged, full, self.owner, **about, seconds=seconds)

    def _know_experts(self, split: str) -> None:
        """Score base and experts where nobody recorded how good they are: all is told by them."""
        live = self.live
        names = [*([] if live.models.base is None else [None]), *live.models.experts]
        recorded = all(task.best(split) is not None for task in live.tasks)
        for name in names[: 1 if recorded else None]:
            self.report(Progress(0, 0, UNIT, f"scoring {name or 'the base'}"))
            live.full_of(name, split, cancel=self.cancel)


def _first(points: Iterator[Drawn], count: int) -> Iterator[Drawn]:
    for _, point in zip(range(count), points, strict=False):
        yield point


def _count(count: Any) -> int:
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise RecipeError(f"count must be a whole number from 1 to {MOST}, got {count!r}.")
    return count

"""What the Compare tab asks of the server: two merges in words, examples that changed hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from merger.comparison import changed_hands, shared_tasks
from merger.difference import differences
from merger.errors import FeedError, TaskError
from merger.parts import Parts, Tensors
from merger.preview import SPLIT
from merger.recipe import Recipe
from merger.scorer import FullScore, read_tensors
from merger.tasks import Task
from merger.tasks.examples import Answer, answers_of, examples_of
from merger.words import recipe_in_words
from viz.answers import answers
from viz.asked import own_expert
from viz.catalog import Family
from viz.desk import Merge
from viz.pictures import data_url
from viz.requests import mapping_of, visible_of
from viz.scene import Pin
from viz.screens.compare import NOTHING
from viz.session import recipe_line

if TYPE_CHECKING:
    from viz.studio import Studio

PANEL = "compare"
A_PAGE = 12
MOST = 96


@dataclass(eq=False)
class Comparing:
    """The server half of the Compare tab."""

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/compare.js calls, by name."""
        return (self.compare,)

    def pins(
        self,
        request: Mapping[str, Any],
        family: Family,
        first: Pin | None,
        *,
        score: bool,
        cancel: Event | None = None,
    ) -> tuple[Pin, ...]:
        """Return the pins that the tab compares, when somebody looks at it.

        Args:
            request: What the page sent.
            family: The models on screen.
            first: The pin that all tabs know.
            score: Score the second one now when it has not been.
            cancel: Stops scoring.
        """
        if first is None or PANEL not in visible_of(request):
            return ()
        second = self.studio.asking.pinned(request, family, "second")
        if second is None:
            return (first,)
        return (first, self.studio.desk.pin(second, score=score, cancel=cancel))

    def words(self, request: Mapping[str, Any], recipe: Recipe, family: Family) -> dict[str, Any]:
        """Return both merges and their differences in words, when somebody looks at the tab."""
        if PANEL not in visible_of(request):
            return {}
        a, b = (self.studio.asking.pin(request.get(key), family) for key in ("pin", "second"))
        live = request.get("second") is None
        b = recipe if live else b
        rows = differences(a, b) if a is not None and b is not None else ()
        sides = {
            "a": _in_words(a, request.get("pin")),
            "b": _in_words(b, None if live else request.get("second")),
            "live": live,
            "differences": [[row.what, row.a, row.b] for row in rows],
        }
        return {"sides": sides}

    @answers
    def compare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return how many examples changed hands, and some of them with four answers each."""
        _, family, made = self.studio.asking.merge(request)
        a, b = self._sides(request, family, made)
        one, two = self.studio.desk.known(a), self.studio.desk.known(b)
        if one is None or two is None:
            why = self.studio.desk.why_no_scores(a if one is None else b)
            raise TaskError("These merges are not scored on full validation.", why)
        tasks = shared_tasks(b.live.tasks, one, two)
        asked = mapping_of(request.get("changed"))
        task = next((t for t in tasks if t.name == asked.get("task")), None)
        task = _most_changed(tasks, one, two) if task is None else task
        hands = changed_hands(task, one.outcomes[task.name], two.outcomes[task.name])
        kind = asked.get("kind")
        if kind not in ("a", "b"):
            kind = "b" if len(hands[1]) > len(hands[0]) else "a"
        found = hands[kind == "b"]
        shown = found[: _count(asked.get("count"))]
        return {
            "metric": task.metric,
            "split": SPLIT,
            "task": task.name,
            "kind": kind,
            "tasks": [_row(t, one, two) for t in tasks],
            "total": len(found),
            "most": MOST,
            "examples": self._examples(family, a, b, (one, two), task, shown),
        }

    def _sides(
        self, request: Mapping[str, Any], family: Family, made: Merge
    ) -> tuple[Merge, Merge]:
        a = self.studio.asking.pinned(request, family)
        if a is None:
            raise FeedError(*NOTHING)
        if request.get("second") is None:
            return a, made
        b = self.studio.asking.pinned(request, family, "second")
        if b is None:
            raise FeedError("B is a merge of other models.", "Clear B, or set it anew.")
        return a, b

    def _examples(
        self,
        family: Family,
        a: Merge,
        b: Merge,
        fulls: tuple[FullScore, FullScore],
        task: Task,
        index: np.ndarray,
    ) -> list[dict[str, Any]]:
        if not len(index):
            return []
        chosen = [int(i) for i in index]
        given = {"base": self._of_model(b, None, task, chosen)}
        own = own_expert(family, b.live, task)
        if own is not None:
            step = b.live.models.wanted[own].step
            at = "" if step is None else f" at step {step}"
            given[f"{own}, alone{at}"] = self._of_model(b, own, task, chosen)
        given["A"] = self._of_merge(a, fulls[0], task, chosen)
        given["B"] = self._of_merge(b, fulls[1], task, chosen)
        return [
            {
                "number": example.index + 1,
                "picture": None if example.picture is None else data_url(example.picture),
                "passage": example.passage,
                "label": example.label,
                "answers": [_answer(who, found[i]) for who, found in given.items() if found],
            }
            for i, example in enumerate(examples_of(task, SPLIT, chosen))
        ]

    def _of_model(
        self, merge: Merge, name: str | None, task: Task, index: list[int]
    ) -> tuple[Answer, ...] | None:
        """Return answers of the base or an expert; None where it would take too long to ask."""
        live, scorer = merge.live, merge.live.scores().scorer
        model = live.models.base if name is None else live.models.experts[name]
        if model is None or scorer is None:
            return None
        full = live.known_of(name)
        if full is None and live.sample is not None:
            return None
        known = None if full is None else full.outcomes[task.name]
        return answers_of(task, SPLIT, index, scorer, lambda: read_tensors(model), known)

    def _of_merge(
        self, merge: Merge, full: FullScore, task: Task, index: list[int]
    ) -> tuple[Answer, ...]:
        live, scorer = merge.live, merge.live.scores().scorer
        assert scorer is not None

        def numbers() -> Tensors | Parts:
            return live.numbers(merge.recipe, merged=merge.merged)

        return answers_of(task, SPLIT, index, scorer, numbers, full.outcomes[task.name])


def _most_changed(tasks: tuple[Task, ...], a: FullScore, b: FullScore) -> Task:
    """Return the task of which most examples changed hands, the first of those."""
    hands = (changed_hands(t, a.outcomes[t.name], b.outcomes[t.name]) for t in tasks)
    return tasks[int(np.argmax([sum(map(len, pair)) for pair in hands]))]


def _row(task: Task, a: FullScore, b: FullScore) -> dict[str, Any]:
    one, two = a.outcomes[task.name], b.outcomes[task.name]
    only_a, only_b = changed_hands(task, one, two)
    return {
        "name": task.name,
        "title": task.title,
        "only_a": len(only_a),
        "only_b": len(only_b),
        "n": len(one),
    }


def _answer(who: str, answer: Answer) -> dict[str, Any]:
    return {"who": who, "words": answer.words, "right": answer.right, "value": answer.value}


def _in_words(recipe: Recipe | None, text: object) -> dict[str, Any] | None:
    if recipe is None:
        return None if text is None else {"words": "", "why": "A merge of other models."}
    return {"words": recipe_in_words(recipe), "line": recipe_line(recipe)}


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return A_PAGE
    return max(1, min(value, MOST))

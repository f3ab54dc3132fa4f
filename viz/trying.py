"""The server half of the Try it tab: what is asked, and the answers of every model as cards.

Nothing that a visitor draws, uploads or types is written anywhere: it is part of each request, and
answers are remembered in memory under a digest of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merger.continuing import continue_text
from merger.diagnostics.answers import AnswersInfo
from merger.diagnostics.surprise import SurpriseInfo
from merger.errors import MergeError, TaskError
from merger.preview import SPLIT
from merger.tasks import Task
from merger.trying import Model
from viz.answers import answers, error_card
from viz.asked import (
    PANEL,
    Answered,
    Question,
    image_tasks,
    live_of,
    models_of,
    reader_of,
    text_tasks,
)
from viz.catalog import Family
from viz.figures.answer_words import answers_in_words, surprise_in_words, visible
from viz.pictures import data_url
from viz.questions import ImageQuestion, TextQuestion, Tried
from viz.requests import mapping_of, texts_of, visible_of, visitor_of
from viz.scene import Scene
from viz.screens import panels

if TYPE_CHECKING:
    from viz.studio import Studio

SHOWN = 5  # answers per model
COUNTS = (8, 16, 32)  # tokens to go on with


@dataclass(eq=False)
class Trying:
    """Answers what assets/studio/try.js asks."""

    studio: Studio

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what the page calls, by name."""
        return (self.attempt, self.go_on)

    def tried(self, request: Mapping[str, Any], family: Family) -> Tried:
        """Return what a visitor tries out and the pins that answer too, when they look at it."""
        if PANEL not in visible_of(request):
            return Tried()
        pins = [self._pin(request, family, *pair) for pair in (("pin", "A"), ("second", "B"))]
        return Tried(mapping_of(request.get("tried")), tuple(p for p in pins if p is not None))

    def cards(self, request: Mapping[str, Any], scene: Scene) -> dict[str, Any]:
        """Return every model's answer as a card shows it, when somebody looks at the tab."""
        if PANEL not in visible_of(request):
            return {}
        try:
            shown = _about(scene, scene.question)
        except MergeError as error:
            return {"replies": _offer(scene) | {"error": error_card(error)}}
        try:
            return {"replies": shown | _cards(scene, scene.answers)}
        except MergeError as error:
            return {"replies": shown | {"error": error_card(error)}}

    @answers
    def attempt(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what every model answers to something new, without scoring the merge."""
        scene = self._scene(request)
        revs, stamps = texts_of(request.get("revs")), texts_of(request.get("stamps"))
        part = panels()[PANEL].payload(scene, revs.get(PANEL), stamps.get(PANEL))
        return {"panels": {} if part is None else {PANEL: part}, **self.cards(request, scene)}

    @answers
    def go_on(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return how every model goes on with a text."""
        cancel = self.studio.settling.start(visitor_of(request), "go_on")
        scene = self._scene(request)
        question = scene.question
        if isinstance(question, ImageQuestion):
            raise TaskError("Only language models go on with a text.", "Choose such models.")
        tokens, scorer = reader_of(live_of(scene))
        count = request.get("count")
        models = models_of(scene)
        found = continue_text(
            tokens, tokens.cut(question.text), count if count in COUNTS else COUNTS[1], models,
            scorer, task=question.task, cancel=cancel,
        )  # fmt: skip
        return {
            "continued": [
                {"name": m.name, "text": c.text, "whole": c.whole, "why": c.why}
                for m, c in zip(models, found, strict=True)
            ]
        }

    def _scene(self, request: Mapping[str, Any]) -> Scene:
        recipe, family = self.studio.asking.recipe(request)
        recipe, live = self.studio.desk.open(recipe, family)
        tried = self.tried(request, family)
        return Scene(recipe, family, live, None, None, None, None, {}, tried=tried)

    def _pin(
        self, request: Mapping[str, Any], family: Family, which: str, name: str
    ) -> Model | None:
        """Return a pinned merge, merged only where it must answer anew."""
        recipe = self.studio.asking.pin(request.get(which), family)
        if recipe is None:
            return None
        try:
            recipe, live = self.studio.desk.open(recipe, family)
            if live.sample is not None:
                return None
            return Model(name, "pin", live.digest(recipe), lambda: live.numbers(recipe))
        except MergeError:
            return None


def _offer(scene: Scene) -> dict[str, Any]:
    """Return what can be asked of these models."""
    live = scene.live
    if live is None or live.sample is not None:
        return {"kind": "none", "tasks": []}
    images, texts = image_tasks(live), text_tasks(live)
    offered: list[Task] = [*images] or [*texts]
    tasks = [
        {"name": t.name, "title": t.title, "total": t.splits[SPLIT], "classes": _classes(t)}
        for t in offered
    ]
    return {"kind": "image" if images else "text", "tasks": tasks, "counts": COUNTS}


def _classes(task: Task) -> list[str]:
    return list(getattr(task, "classes", ()))


def _about(scene: Scene, question: Question) -> dict[str, Any]:
    """Return what was asked, as the page shows it."""
    task = question.task
    shown = {"task": task.name if task else None, "number": question.number}
    if isinstance(question, TextQuestion):
        return _offer(scene) | {"asked": shown | {"text": question.text}}
    truth = question.task.class_named(question.truth) if question.truth >= 0 else None
    seen = data_url(question.image)
    return _offer(scene) | {"asked": shown | {"seen": seen, "how": question.how, "truth": truth}}


def _cards(scene: Scene, info: Answered) -> dict[str, Any]:
    cards = [
        {
            "name": name,
            "role": role,
            "own": i == info.own,
            "colour": _colour(scene, role, name),
            "why": info.whys[i],
            **(_answer(info, i) if isinstance(info, AnswersInfo) else _reading(info, i)),
        }
        for i, (name, role) in enumerate(zip(info.names, info.roles, strict=True))
    ]
    if isinstance(info, AnswersInfo):
        return {"words": answers_in_words(info), "cards": cards, "tokens": []}
    tokens = [visible(word) for word in info.words]
    return {"words": surprise_in_words(info), "cards": cards, "tokens": tokens}


def _colour(scene: Scene, role: str, name: str) -> str | None:
    expert = next((e for e in scene.recipe.experts if e.name == name), None)
    choice = next((c for c in scene.family.choices if expert and c.source == expert.source), None)
    if role != "expert" or choice is None:
        return None
    return scene.colours[choice.name].replace("@", "var(--ms-") + ")"


def _answer(info: AnswersInfo, i: int) -> dict[str, Any]:
    best, merged = int(info.best[i]), info.merged
    known = best >= 0 and merged >= 0 and info.best[merged] >= 0
    return {
        "top": [[info.classes[c], float(info.chances[i, c])] for c in info.top(i, SHOWN)],
        "right": None if info.truth < 0 or best < 0 else best == info.truth,
        "agrees": bool(best == info.best[merged]) if known and i != merged else None,
    }


def _reading(info: SurpriseInfo, i: int) -> dict[str, Any]:
    merged = info.merged
    words = [[word for word, _ in row[:1]] for row in info.following]
    known = bool(words[i]) and merged >= 0 and bool(words[merged])
    return {
        "bits_per_byte": float(info.bits_per_byte[i]),
        "bits": [float(b) for b in info.bits[i]],
        "top": [[visible(word), chance] for word, chance in info.following[i][:SHOWN]],
        "agrees": words[i] == words[merged] if known and i != merged else None,
    }

"""Who answers what a visitor tries: the merge, its pins, the base and the experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merger.diagnostics.answers import AnswersInfo
from merger.diagnostics.surprise import SurpriseInfo
from merger.errors import FeedError, TaskError
from merger.live import LiveSet
from merger.parts import owner_of
from merger.preview import SPLIT
from merger.scorer import Scorer, read_tensors
from merger.tasks import Task, TextTask
from merger.tasks.images import ImageTask
from merger.tasks.text import is_causal
from merger.tasks.tokens import Tokens, tokens_of
from merger.trying import Model, measure_answers, measure_surprise, scorer_without_tasks
from viz.catalog import Family
from viz.questions import ImageQuestion, TextQuestion, image_question, text_question

if TYPE_CHECKING:
    from viz.scene import Scene

PANEL = "answers"
Question = ImageQuestion | TextQuestion
Answered = AnswersInfo | SurpriseInfo
TOO_LARGE = (
    "Models this large are not asked here: only a sample of their weights is in memory, and every "
    "answer would read whole models from disk.",
    "Merge it for real under Recipe & export, and ask the saved model.",
)


def live_of(scene: Scene) -> LiveSet:
    """Return the models on screen.

    Raises:
        FeedError: they cannot be opened. TaskError: they are too large to be asked.
    """
    if scene.live is None:
        raise FeedError("These models cannot be opened together.", "Choose others.")
    if scene.live.sample is not None:
        raise TaskError(*TOO_LARGE)
    return scene.live


def image_tasks(live: LiveSet) -> list[ImageTask]:
    """Return the tasks whose classes these models can answer."""
    return [task for task in live.tasks if isinstance(task, ImageTask)]


def text_tasks(live: LiveSet) -> list[TextTask]:
    """Return the texts that these models are scored on."""
    return [task for task in live.tasks if isinstance(task, TextTask)]


def question_of(scene: Scene) -> Question:
    """Return what is asked of the models on screen.

    Raises:
        TaskError: nothing can be asked of them, or what was sent cannot be used.
    """
    live = live_of(scene)
    if images := image_tasks(live):
        return image_question(scene.tried.asked, images)
    if not is_causal(live.models.reference.config()):
        raise TaskError(
            "There is nothing to ask these models.",
            "Models of the bundled images' shape and causal language models can be tried.",
        )
    return text_question(scene.tried.asked, text_tasks(live))


def reader_of(live: LiveSet) -> tuple[Tokens, Scorer]:
    """Return the tokenizer of language models, and what runs them.

    Raises:
        TaskError: there is no tokenizer beside them.
    """
    reference = live.models.reference
    if reference.folder is None:
        raise TaskError(f"{reference.label}: needs a tokenizer.", "Save the model as a folder.")
    scorer = live.scores().scorer or scorer_without_tasks(reference)
    return tokens_of(reference.folder), scorer


def models_of(scene: Scene) -> list[Model]:
    """Return who is asked: the merge, the pins, the base and the experts of the recipe."""
    live, recipe, merged = live_of(scene), scene.recipe, scene.merged
    digest = live.digest(recipe) if merged is None else merged.digest
    found = [Model("merged", "merged", digest, lambda: live.numbers(recipe, merged=merged))]
    found += scene.tried.pins
    base = live.models.base
    if base is not None:
        found.append(Model("base", "base", live.models.base_id, lambda: read_tensors(base)))
    for expert in recipe.experts:
        opened, key = live.models.experts[expert.name], live.models.ids[expert.name]
        found.append(Model(expert.name, "expert", key, lambda m=opened: read_tensors(m)))
    return found


def ask(scene: Scene, question: Question) -> Answered:
    """Ask every model."""
    live, models = live_of(scene), models_of(scene)
    split = "" if question.number is None else SPLIT
    task = question.task
    own = -1 if task is None else _place(models, own_expert(scene.family, live, task))
    if isinstance(question, ImageQuestion):
        scorer = live.scores().scorer
        assert scorer is not None  # there is a task, so there is something that scores it
        return measure_answers(
            question.task, question.image, models, scorer,
            own=own, truth=question.truth, split=split,
        )  # fmt: skip
    tokens, scorer = reader_of(live)
    pieces = tokens.cut(question.text)
    return measure_surprise(tokens, pieces, models, scorer, own=own, task=task, split=split)


def own_expert(family: Family, live: LiveSet, task: Task) -> str | None:
    """Return the name of a task's own expert in a set, if there is one."""
    wanted = live.models.wanted
    choice = next((c for c in family.choices if c.task == task.name), None)
    if choice is not None:
        return next((n for n, e in wanted.items() if e.source == choice.source), None)
    return owner_of(task, wanted)


def _place(models: list[Model], name: str | None) -> int:
    return next((i for i, m in enumerate(models) if m.role == "expert" and m.name == name), -1)

"""Try it: one image or one text, and what base, experts, merge and pins make of it."""

from typing import Any

from merger.diagnostics.answers import AnswersInfo
from viz.asked import PANEL, Answered
from viz.figures.answers import draw_answers, patch_answers
from viz.figures.surprise import draw_surprise, limit_of, patch_surprise
from viz.scene import Scene
from viz.spec import PanelSpec, Screen


def measure(scene: Scene) -> Answered:
    """Return what every model answers to what the visitor tries.

    Raises:
        TaskError: there is nothing that these models could be asked, or not here.
    """
    return scene.answers


def draw(info: Answered) -> Any:
    """Draw the answers to an image or to a text."""
    return draw_answers(info) if isinstance(info, AnswersInfo) else draw_surprise(info)


def patch(info: Answered) -> Any:
    """Move what is drawn."""
    return patch_answers(info) if isinstance(info, AnswersInfo) else patch_surprise(info)


def _frame(scene: Scene, info: Answered) -> list[Any]:
    if isinstance(info, AnswersInfo):
        return [info.task, *info.classes, info.names]
    return [info.words, info.names, limit_of(info)]


SCREEN = Screen(
    id="try",
    title="Try it",
    order=9,
    above="ms-try-root",
    panels=(
        PanelSpec(
            id=PANEL,
            title="What does each model answer?",
            height=340,
            measure=measure,
            draw=draw,
            patch=patch,
            frame=_frame,
            wide=True,
            why="Images: the softmax of the task's fixed head over the mean of the last layer's "
            "patch tokens (12 times the cosine to each class), the same head for every model. "
            "Texts: −log₂ of the probability that a model gave each token after those before it; "
            "bits per byte is their sum over the bytes they stand for. The merge is the one on "
            "this page, in memory, byte by byte what a saved merge holds.",
        ),
    ),
)

"""Overview: what each task gains and loses, and which experts point the same way."""

from typing import Any

from merger.diagnostics.cosine import CosineInfo
from merger.diagnostics.tasks import TaskBars
from merger.errors import TaskError
from viz.figures.cosine import draw_cosine, patch_cosine
from viz.figures.tasks import draw_tasks, patch_tasks
from viz.scene import Scene
from viz.scores import task_bars
from viz.spec import PanelSpec, Screen


def _bars(scene: Scene) -> tuple[TaskBars, dict[str, str]]:
    scores = scene.scored
    base, own = scene.anchors
    if not scores.tasks:
        raise TaskError("These models have no task.", scene.family.missing)
    pinned = scene.pin.scores if scene.pin else None
    return task_bars(scores, base, own, pinned), scene.colours


def _cosine(scene: Scene) -> CosineInfo:
    return scene.measured.cosine(scene.weights)


def _task_frame(scene: Scene, info: Any) -> list[Any]:
    # Bars that enter while others slide would stay unstyled: a pin comes with a new figure.
    pinned = scene.pin is not None and scene.pin.scores is not None
    bars = info[0]
    # What stands still decides the axis: for large models it is measured one after another.
    return [*bars.tasks, *bars.owners, pinned, bars.base.tolist(), bars.expert.tolist()]


SCREEN = Screen(
    id="overview",
    title="Overview",
    order=1,
    panels=(
        PanelSpec(
            id="tasks",
            title="What does each task gain and lose?",
            height=360,
            measure=_bars,
            draw=lambda info: draw_tasks(*info),
            patch=lambda info: patch_tasks(info[0]),
            frame=_task_frame,
            why="Accuracy with Wilson's 95% interval, or a bootstrap over font families where "
            "images share one. While you drag: the last full score plus the paired change on a "
            "fixed, stratified subset, with the paired interval of that change.",
        ),
        PanelSpec(
            id="cosine",
            title="Do the experts point the same way?",
            height=360,
            measure=_cosine,
            draw=draw_cosine,
            patch=patch_cosine,
            frame=lambda scene, info: [],
            why="cos(τᵢ, τⱼ) over all merged weights; a negative coefficient turns an expert "
            "around (Ilharco et al., 2022, arXiv:2212.04089).",
        ),
    ),
)

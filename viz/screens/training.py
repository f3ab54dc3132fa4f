"""Training: own and merged scores along the experts' steps, and the steps on screen."""

from dataclasses import replace
from typing import Any

import numpy as np

from merger.errors import FeedError, TaskError
from merger.intervals import Interval, mean_interval
from merger.parts import owner_of
from merger.spec import METHODS
from merger.training import TrainingInfo
from merger.training.curves import Measured, Subject, curves_of, tasks_that_count
from merger.training.grid import StepGrid
from merger.training.tuning import factors_of, setting_of, tuned_knob
from viz.figures.training import TrainingView, draw_training, frame_training, patch_training
from viz.scene import Scene
from viz.spec import PanelSpec, Screen

UNKNOWN = np.full(3, np.nan)


def _training(scene: Scene) -> tuple[TrainingView, dict[str, str]]:
    live = scene.live
    if live is None:
        raise FeedError("These experts cannot be compared.", "Pick experts of one architecture.")
    grid, digest = scene.curves.find(scene.recipe, live)
    if not live.tasks_of(scene.recipe):
        raise TaskError(scene.missing or "These models have no task.", scene.family.missing)
    info = scene.curves.known(digest) or _not_measured(scene, grid)
    here = grid.steps_of(scene.recipe)
    at = grid.index_of(scene.recipe)
    now, measured = _now(scene, info)
    view = TrainingView(
        info=info,
        here=np.array([-1 if step is None else step for step in here], np.int64),
        at=-1 if at is None else at,
        now=now,
        now_measured=measured,
    )
    return view, scene.colours


def _not_measured(scene: Scene, grid: StepGrid) -> TrainingInfo:
    """Return the curves with what is known without measuring: own scores that were recorded."""
    assert scene.live is not None
    names = tuple(expert.name for expert in scene.recipe.experts)
    tasks = tasks_that_count(scene.live.tasks, names)
    subject = Subject(
        method=METHODS[scene.recipe.method].title,
        setting=setting_of(scene.recipe),
        experts=names,
        tasks=tasks,
        grid=grid,
        split="validation",
        scale=tuned_knob(scene.recipe),
        factors=factors_of(scene.recipe),
    )
    info = curves_of(subject, Measured(), complete=False)
    own = info.own.copy()
    for i, expert in enumerate(scene.recipe.experts):
        choice = next((c for c in scene.family.choices if c.source == expert.source), None)
        for s, row in enumerate(grid.kept):
            score = choice.score_at(row[i]) if choice is not None else None
            if score is not None:
                own[i, s, 0] = score[0]
    mean = info.own_mean.copy()
    mean[:, 0] = own[:, :, 0].mean(0)
    base = [scene.base_scores.get(task.name, np.nan) for task in tasks]
    return replace(
        info, own=own, own_mean=mean, base=np.array([float(np.mean(base)), np.nan, np.nan])
    )


def _now(scene: Scene, info: TrainingInfo) -> tuple[np.ndarray, bool]:
    """Return the mean score of the merge on screen over the curve's tasks, and if measured."""
    scores = scene.scores
    if scores is None:
        return UNKNOWN, False
    names = [expert.name for expert in scene.recipe.experts]
    owned = [owner_of(task, names) is not None for task in scores.tasks]
    use = [i for i, mine in enumerate(owned) if mine or not any(owned)]
    if [scores.tasks[i].title for i in use] != list(info.tasks):
        return UNKNOWN, False
    rows = [Interval(scores.value[i], scores.low[i], scores.high[i]) for i in use]
    return np.array(mean_interval(rows)), scores.measured


def _frame(scene: Scene, info: Any) -> list[Any]:
    return frame_training(info[0])


SCREEN = Screen(
    id="training",
    title="Training",
    order=5,
    above="ms-training-root",
    panels=(
        PanelSpec(
            id="training",
            title="When should training stop?",
            height=440,
            measure=_training,
            draw=lambda info: draw_training(*info),
            patch=lambda info: patch_training(info[0]),
            frame=_frame,
            wide=True,
            why="Own score of each expert and mean score of the merge, at every kept step, on all "
            "of validation. Gains are paired over the same examples. A best step is chosen on the "
            "examples it is reported on, which flatters it a little; the tuned factor is not: it "
            "is chosen on one half of the examples and reported on the other. After Horoi et al. "
            "(2025), arXiv:2506.14126.",
        ),
    ),
)

"""Drawings look like the task's images: as large, as bright, and read by its expert."""

import numpy as np
import pytest

from merger.checkpoint import Checkpoint
from merger.scorer import Scorer, read_tensors
from merger.tasks.zoo import zoo_tasks
from merger.trying import Model, measure_answers
from merger.zoo.data import TASKS
from merger.zoo.looks import LOOKS, drawn_like, look_of, pictured_like
from merger.zoo.read import open_checkpoint

turn = np.linspace(0, 2 * np.pi, 40)
ONE = [np.array([[0.5, 0.2], [0.5, 0.8]])]
SEVEN = [np.array([[0.3, 0.2], [0.7, 0.2], [0.45, 0.85]])]
ZERO = [np.stack([0.5 + 0.2 * np.cos(turn), 0.5 + 0.33 * np.sin(turn)], 1)]
TAU = [np.array([[0.2, 0.25], [0.8, 0.25]]), np.array([[0.5, 0.25], [0.5, 0.8]])]
BAG = [
    np.array([[0.15, 0.45], [0.85, 0.45], [0.85, 0.85], [0.15, 0.85], [0.15, 0.45]]),
    np.array([[0.3, 0.45], [0.35, 0.25], [0.65, 0.25], [0.7, 0.45]]),
]
DRAWINGS = [
    ("mnist", ONE, "1"), ("mnist", SEVEN, "7"), ("mnist", ZERO, "0"), ("greek", TAU, "τ"),
    ("fashion", BAG, "bag"),
]  # fmt: skip


def test_every_bundled_task_has_a_look_with_the_condition_of_its_images() -> None:
    conditions = {task.name: task.condition for task in TASKS}
    assert set(LOOKS) == set(conditions) == {task.name for task in zoo_tasks()}
    # A drawing has no other letter to shine through.
    conditions["hiragana"] = "plain"
    assert {name: look.condition for name, look in LOOKS.items()} == conditions


@pytest.mark.parametrize("task", zoo_tasks(), ids=lambda task: task.name)
def test_a_drawing_is_as_bright_around_and_as_wide_as_the_images(task) -> None:
    images = task.examples("validation").images
    drawn = drawn_like(task.name, ZERO)
    assert drawn.shape == (28, 28) and drawn.dtype == np.uint8
    edge = np.median(images[:, 0])
    assert abs(float(np.median(drawn[0])) - float(edge)) <= 40
    assert drawn_like(task.name, ZERO).tolist() == drawn.tolist()  # the same paper each time


@pytest.mark.parametrize(("task", "strokes", "label"), DRAWINGS)
def test_the_tasks_expert_reads_a_drawing(task: str, strokes: list, label: str) -> None:
    found = next(t for t in zoo_tasks() if t.name == task)
    expert: Checkpoint = open_checkpoint(task)
    model = Model(task, "expert", f"looks-{task}", lambda: read_tensors(expert))
    image = drawn_like(task, strokes)
    info = measure_answers(found, image, [model], Scorer(expert, [found]))
    assert info.classes[info.best[0]] == label


def test_ink_on_paper_and_a_drawing_of_the_same_line_look_alike() -> None:
    picture = np.full((84, 84), 240, np.uint8)
    picture[20:64, 40:46] = 20  # a one, 44 high and 6 wide
    like = pictured_like("mnist", picture).astype(float)
    drawn = drawn_like("mnist", ONE).astype(float)
    assert np.abs(like - drawn).mean() < 6


def test_a_task_nobody_knows_gets_a_plain_look() -> None:
    assert look_of("mine").condition == "plain"
    assert drawn_like("mine", []).sum() == 0

"""What a visitor tries out: an image or a text, as the page sent it, read and checked."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from merger.errors import TaskError
from merger.ink import shrink
from merger.preview import SPLIT
from merger.tasks import Task, TextTask
from merger.tasks.images import ImageTask
from merger.trying import Model
from merger.zoo.looks import drawn_like, look_of, pictured_like

LONGEST_TEXT = 2000  # characters
MOST_STROKES, MOST_POINTS = 200, 4000
SIDES = (28, 56, 84, 112)  # of a picture that a page sends
PROMPT = "The quick brown fox jumps over the lazy dog."
T = TypeVar("T", bound=Task)


@dataclass(frozen=True, eq=False)
class Tried:
    """What a visitor tries out, and the pinned merges that answer beside the one on screen.

    Args:
        asked: What the page sent; empty asks the first example there is.
        pins: Pins A and B.
    """

    asked: Mapping[str, Any] = field(default_factory=dict)
    pins: tuple[Model, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageQuestion:
    """An image as a model sees it.

    Args:
        task: Whose classes can be answered.
        image: (28, 28) uint8.
        how: What was done to it, for people.
        number: Which example of the split it is; None for one of the visitor's own.
        truth: Which class is right; -1 where nobody knows.
    """

    task: ImageTask
    image: np.ndarray
    how: str
    number: int | None = None
    truth: int = -1


@dataclass(frozen=True, eq=False)
class TextQuestion:
    """A text.

    Args:
        text: The text.
        task: The task it is a passage of; None for what a visitor typed.
        number: Which passage of the split it is.
    """

    text: str
    task: TextTask | None = None
    number: int | None = None


def image_question(asked: Mapping[str, Any], tasks: Sequence[ImageTask]) -> ImageQuestion:
    """Return what a page asks about an image; the first example of a task where it says nothing.

    Raises:
        TaskError: a drawing or a picture that cannot be used.
    """
    task = _task(asked, tasks)
    if "strokes" in asked:
        look = look_of(task.name)
        image = drawn_like(task.name, _strokes(asked["strokes"]))
        return ImageQuestion(task, image, f"Your drawing as an image of this task: {look.words}.")
    if "picture" in asked:
        return _picture(task, asked)
    data = task.examples(SPLIT)
    at = _number(asked) % len(data.labels)
    how = f"Image {at + 1} of {len(data.labels)} of {SPLIT}, as it is."
    return ImageQuestion(task, data.images[at], how, at, int(data.labels[at]))


def text_question(asked: Mapping[str, Any], tasks: Sequence[TextTask]) -> TextQuestion:
    """Return the text that a page asks about; the first passage where it says nothing.

    Raises:
        TaskError: a text that is empty or too long.
    """
    text = asked.get("text")
    if isinstance(text, str):
        if len(text) > LONGEST_TEXT:
            raise TaskError(
                f"Your text must have at most {LONGEST_TEXT:,} characters, got {len(text):,}.",
                "Take a part of it.",
            )
        # Half of a pair of surrogates is no letter, and no tokenizer takes it.
        return TextQuestion(text.encode("utf-8", "replace").decode())
    if not tasks:
        return TextQuestion(PROMPT)
    task = _task(asked, tasks)
    at = _number(asked) % task.splits[SPLIT]
    return TextQuestion(task.passage(SPLIT, at)[:LONGEST_TEXT], task, at)


def _task(asked: Mapping[str, Any], tasks: Sequence[T]) -> T:
    return next((task for task in tasks if task.name == asked.get("task")), tasks[0])


def _number(asked: Mapping[str, Any]) -> int:
    number = asked.get("example")
    return number if isinstance(number, int) and 0 <= number < 2**31 else 0


def _strokes(sent: object) -> list[np.ndarray]:
    """Return the points of each stroke, (n, 2) from 0 to 1; they come as [x, y, x, y, …]."""
    try:
        found = [np.asarray(line, np.float64).reshape(-1, 2) for line in _list(sent)]
    except (TypeError, ValueError) as error:
        raise TaskError("The drawing could not be read.", "Clear it and draw again.") from error
    found = [points for points in found if len(points)]
    if not found:
        raise TaskError("Nothing is drawn yet.", "Draw something, or take an example.")
    if sum(map(len, found)) > MOST_POINTS:
        raise TaskError(
            f"A drawing must have at most {MOST_POINTS:,} points, got {sum(map(len, found)):,}.",
            "Clear it and draw with fewer strokes.",
        )
    if not all(np.isfinite(points).all() for points in found):
        raise TaskError("The drawing could not be read.", "Clear it and draw again.")
    return [np.clip(points, 0.0, 1.0) for points in found]


def _list(sent: object) -> list[Any]:
    if not isinstance(sent, list) or len(sent) > MOST_STROKES:
        raise TaskError(
            f"A drawing must have at most {MOST_STROKES} strokes.", "Clear it and draw again."
        )
    return sent


def _picture(task: ImageTask, asked: Mapping[str, Any]) -> ImageQuestion:
    picture = _pixels(asked["picture"])
    turned = ", light and dark exchanged" if asked.get("invert") is True else ""
    picture = 255 - picture if turned else picture
    if asked.get("like") is True:
        look = look_of(task.name)
        how = f"Your picture{turned}: what stands out from its border, {look.words}."
        return ImageQuestion(task, pictured_like(task.name, picture), how)
    image = np.clip(np.rint(shrink(picture)), 0, 255).astype(np.uint8)
    how = f"Your picture in grey at 28 × 28 pixels{turned}; nothing else was done to it."
    return ImageQuestion(task, image, how)


def _pixels(sent: object) -> np.ndarray:
    """Return a grey picture (side, side) uint8; it comes as base64 of its bytes."""
    wrong = TaskError("The picture could not be read.", "Upload a PNG or JPEG file.")
    if not isinstance(sent, str) or len(sent) > 2 * max(SIDES) ** 2:
        raise wrong
    try:
        raw = base64.b64decode(sent, validate=True)
    except (ValueError, binascii.Error) as error:
        raise wrong from error
    side = next((side for side in SIDES if side * side == len(raw)), None)
    if side is None:
        raise wrong
    return np.frombuffer(raw, np.uint8).reshape(side, side)

"""How images of each bundled task look, so that a drawing can be made to look like them.

Sizes are those measured on the validation images; conditions are the ones the images were made
with. The task of hiragana has another letter shine through each page: a drawing has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.ink import (
    Centre,
    draw_strokes,
    fill,
    fit_picture,
    fit_strokes,
    ink_of,
)
from merger.zoo.conditions import CONDITIONS

SEED = 0  # the same drawing always gets the same paper


@dataclass(frozen=True, slots=True)
class Look:
    """What images of a task have in common.

    Args:
        words: What is done to a drawing, for people.
        box: Pixels of 28 that the longer side takes.
        width: Width of a drawn line in pixels.
        centre: What lies in the middle.
        condition: How it was captured.
        shade: Grey of what lines enclose, 0 to 1; 0 leaves it empty.
    """

    words: str
    box: float = 20.0
    width: float = 2.6
    centre: Centre = "box"
    condition: str = "plain"
    shade: float = 0.0


LOOKS = {
    "mnist": Look("light on dark, 20 pixels high or wide, centred by mass", centre="mass"),
    "fashion": Look(
        "light on dark, 26 pixels high or wide, closed outlines filled with grey; the task's own "
        "images are photographs",
        box=26.0,
        shade=0.65,
    ),
    "latin": Look(
        "dark on unevenly lit, noisy paper, 18 pixels high or wide",
        box=18.0,
        width=3.0,
        condition="paper",
    ),
    "hiragana": Look("light on dark, 20 pixels high or wide; no other letter shines through"),
    "arabic": Look(
        "light on dark, 19 pixels high or wide, only the contour of the line left",
        box=19.0,
        width=3.6,
        condition="outline",
    ),
    "greek": Look(
        "light on haze, 17 pixels high or wide, blurred sideways",
        box=17.0,
        width=3.2,
        condition="motion_blur",
    ),
}
ANY = Look("light on dark, 20 pixels high or wide")


def look_of(task: str) -> Look:
    """Return how images of a task look."""
    return LOOKS.get(task, ANY)


def drawn_like(task: str, strokes: Sequence[np.ndarray]) -> np.ndarray:
    """Return a drawing as an image of a task, (28, 28) uint8; a blank one without strokes.

    Args:
        task: Name of the task.
        strokes: Points of each line, x and y from 0 to 1.
    """
    look = look_of(task)
    fitted = fit_strokes(strokes, look.box, look.width, look.centre) if strokes else []
    return _captured(draw_strokes(fitted, look.width), look)


def pictured_like(task: str, picture: np.ndarray) -> np.ndarray:
    """Return a grey picture (side, side) uint8 of one thing as an image of a task, (28, 28)."""
    look = look_of(task)
    return _captured(fit_picture(ink_of(picture), look.box, look.centre), look)


def _captured(ink: np.ndarray, look: Look) -> np.ndarray:
    ink = fill(ink, look.shade) if look.shade else ink
    grey = np.rint(255 * np.clip(ink, 0.0, 1.0)).astype(np.uint8)
    return CONDITIONS[look.condition](grey[None], np.random.default_rng(SEED))[0]

"""Ink on a page: drawn strokes, or an uploaded picture, as a small image of light ink on dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Centre = Literal["mass", "box"]
SIDE = 28
# A dot must not be blown up to a letter: what is smaller than this share of the page stays small.
SMALLEST = 0.25
FAINT = 0.1  # grey that is no ink but the grain of paper


def draw_strokes(strokes: Sequence[np.ndarray], width: float, side: int = SIDE) -> np.ndarray:
    """Draw lines with round ends and soft edges, (side, side) from 0 to 1.

    Args:
        strokes: Points (n, 2) of each line, x and y in pixels; a single point is a dot.
        width: Width of the line in pixels.
        side: Width and height of the image.
    """
    middles = np.arange(side) + 0.5
    across, down = (axis.reshape(-1, 1) for axis in np.meshgrid(middles, middles))
    ink = np.zeros(side * side)
    for points in strokes:
        start = points[:-1] if len(points) > 1 else points
        dx, dy = ((points[1:] if len(points) > 1 else points) - start).T
        x, y = across - start[:, 0], down - start[:, 1]  # (pixels, segments)
        share = np.clip((x * dx + y * dy) / np.maximum(dx**2 + dy**2, 1e-12), 0.0, 1.0)
        away = np.sqrt(((x - share * dx) ** 2 + (y - share * dy) ** 2).min(1))
        ink = np.maximum(ink, np.clip(width / 2 + 0.5 - away, 0.0, 1.0))
    return ink.reshape(side, side)


def fit_strokes(
    strokes: Sequence[np.ndarray], box: float, width: float, centre: Centre = "box"
) -> list[np.ndarray]:
    """Scale strokes on a page of size 1 to pixels, their longer side with its line to `box`.

    Args:
        strokes: Points of each line, x and y from 0 to 1.
        box: Pixels that the longer side takes.
        width: Width of the line in pixels.
        centre: What comes to lie in the middle: the box around the ink, or its centre of mass.
    """
    every = np.concatenate(strokes)
    low, high = every.min(0), every.max(0)
    scale = max(box - width, 1.0) / max(float((high - low).max()), SMALLEST)
    fitted = [(points - (low + high) / 2) * scale + SIDE / 2 for points in strokes]
    if centre == "mass":
        shift = SIDE / 2 - mass_centre(draw_strokes(fitted, width))
        fitted = [points + shift for points in fitted]
    return fitted


def mass_centre(ink: np.ndarray) -> np.ndarray:
    """Return where the ink's centre of mass lies, x and y in pixels; the middle without ink."""
    side = len(ink)
    middles = np.arange(side) + 0.5
    total = float(ink.sum())
    if total <= 0:
        return np.full(2, side / 2)
    return np.array([(ink.sum(0) * middles).sum(), (ink.sum(1) * middles).sum()]) / total


def ink_of(picture: np.ndarray) -> np.ndarray:
    """Return what stands out from the border of a grey picture (side, side) uint8, 0 to 1.

    Dark ink on light paper and light ink on dark both come out light on dark.
    """
    grey = picture.astype(np.float64) / 255
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    away = np.abs(grey - np.median(border))
    away = np.where(away <= FAINT, 0.0, away)
    return away / away.max() if away.max() > 0 else away


def fit_picture(ink: np.ndarray, box: float, centre: Centre = "box") -> np.ndarray:
    """Scale the part of an image that holds ink so that its longer side takes `box` pixels.

    Args:
        ink: Image (side, side) of any size, from 0 to 1.
        box: Pixels that the longer side takes.
        centre: What comes to lie in the middle: the box around the ink, or its centre of mass.
    """
    rows, columns = np.flatnonzero((ink > FAINT).any(1)), np.flatnonzero((ink > FAINT).any(0))
    if not len(rows):
        return np.zeros((SIDE, SIDE))
    low = np.array([columns[0], rows[0]], np.float64)
    high = np.array([columns[-1], rows[-1]], np.float64) + 1
    step = max(float((high - low).max()), SMALLEST * len(ink)) / box  # pixels there for one here
    middle = (low + high) / 2
    if centre == "mass":
        middle = mass_centre(ink)
    starts = middle - step * SIDE / 2
    across, down = (_shares(len(ink), start, step) for start in starts)
    return down @ ink @ across.T


def shrink(picture: np.ndarray) -> np.ndarray:
    """Return a picture (side, side) of any size at 28 by 28, each pixel a mean over its area."""
    shares = _shares(len(picture), 0.0, len(picture) / SIDE)
    return shares @ picture.astype(np.float64) @ shares.T


def fill(ink: np.ndarray, shade: float) -> np.ndarray:
    """Fill what lines enclose: where a flood from outside does not come."""
    wall = np.pad(ink > 0.5, 1)
    wet = np.zeros_like(wall)
    wet[0], wet[-1], wet[:, 0], wet[:, -1] = True, True, True, True
    while True:
        spread = wet.copy()
        spread[1:] |= wet[:-1]
        spread[:-1] |= wet[1:]
        spread[:, 1:] |= wet[:, :-1]
        spread[:, :-1] |= wet[:, 1:]
        spread &= ~wall
        if (spread == wet).all():
            return np.where(wet[1:-1, 1:-1], ink, np.maximum(ink, shade))
        wet = spread


def _shares(side: int, start: float, step: float) -> np.ndarray:
    """Return what share of each pixel here every pixel there has, (28, side)."""
    left = start + step * np.arange(SIDE)[:, None]
    there = np.arange(side)[None]
    common = np.minimum(left + step, there + 1) - np.maximum(left, there)
    return np.clip(common, 0.0, None) / step

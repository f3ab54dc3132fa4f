"""Synthetic capture conditions: how each task's real glyphs were 'photographed'."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Condition = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def plain(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave the images as they are."""
    return images


def paper(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark ink on unevenly lit, noisy paper."""
    n, side = len(images), images.shape[-1]
    axis = np.linspace(-1, 1, side)
    slope = rng.uniform(-35, 35, (2, n, 1, 1))
    light = 205 + slope[0] * axis[:, None] + slope[1] * axis  # (n, 28, 28)
    light = light + rng.normal(0, 12, images.shape)
    return _clip(light * (1 - 0.85 * images / 255))


def show_through(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another glyph shines through from the back of the page, mirrored."""
    back = images[rng.permutation(len(images))][:, :, ::-1]
    return _clip(np.maximum(images, 0.45 * np.roll(back, (5, -6), axis=(1, 2))))


def outline(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Only the contour of the glyph is left."""
    grey = images.astype(np.int16)
    return _clip(_window(grey, np.maximum) - _window(grey, np.minimum))


def motion_blur(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The camera moved sideways, and haze brightened the picture."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 0), (3, 3)))
    side = images.shape[-1]
    shifted = [padded[:, i : i + side, j : j + side] for i in range(2) for j in range(7)]
    return _clip(np.asarray(sum(shifted)) / len(shifted) * 1.1 + 25)


def _window(images: np.ndarray, pick: Callable) -> np.ndarray:
    """Apply max or min over every 3 x 3 neighbourhood."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    side = images.shape[-1]
    best = images
    for i in range(3):
        for j in range(3):
            best = pick(best, padded[:, i : i + side, j : j + side])
    return best


def _clip(images: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


CONDITIONS: dict[str, Condition] = {
    "plain": plain,
    "paper": paper,
    "show_through": show_through,
    "outline": outline,
    "motion_blur": motion_blur,
}

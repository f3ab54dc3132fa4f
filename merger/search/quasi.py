"""Settings spread evenly over all sliders: a scrambled Sobol sequence, drawn by number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from merger.errors import MergeError, RecipeError
from merger.recipe import Recipe
from merger.search.space import Space

BLOCK = 64  # a power of two: such blocks of the sequence are balanced
LAST = 1 << 20


class Drawn(NamedTuple):
    """One point of the sequence.

    Args:
        index: Its number.
        recipe: The recipe there; None where its settings do not go together.
    """

    index: int
    recipe: Recipe | None


def shares(dimensions: int, start: int, stop: int, seed: int = 0) -> np.ndarray:
    """Return points start to stop of the sequence, (stop − start, dimensions), in [0, 1).

    They depend on seed and number alone, so any part can be drawn alone.

    Reference: Joe and Kuo, 2008, direction numbers; Matousek, 1998, scrambling; from scipy.
    """
    first = start // BLOCK * BLOCK
    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if first:
        engine.fast_forward(first)
    blocks = [engine.random(BLOCK) for _ in range(first, max(stop, first + 1), BLOCK)]
    return np.concatenate(blocks)[start - first : stop - first]


def draw(space: Space, start: int, seed: int = 0) -> Iterator[Drawn]:
    """Yield recipes over a space, from one number of the sequence on.

    Raises:
        MergeError: the sequence is used up.
    """
    for first in range(start, LAST, BLOCK):
        points = shares(len(space.dimensions), first, first + BLOCK, seed)
        for index, point in enumerate(points, first):
            try:
                yield Drawn(index, space.recipe_at(point.tolist()))
            except RecipeError:
                yield Drawn(index, None)
    raise MergeError(f"All {LAST:,} points of this sequence were tried.", "Use another seed.")

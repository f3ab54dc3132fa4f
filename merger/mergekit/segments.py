"""Rows of layers cut where any of them goes on with another model."""

from collections.abc import Sequence
from typing import NamedTuple

from merger.errors import RecipeError
from merger.layers import Run, is_layers, read_layers


class Segment(NamedTuple):
    """Layers of the result that come from one run of layers of each model.

    Args:
        start: The first layer of the result.
        stop: One past the last; the same number where only what is outside the layers counts.
        runs: Where they come from, one run for each model.
    """

    start: int
    stop: int
    runs: tuple[Run, ...]


def runs_of(sources: Sequence[str]) -> list[tuple[Run, ...]]:
    """Return the runs of every source; a whole model is as high as the others."""
    heights = [sum(len(r) for r in read_layers(s)) for s in sources if is_layers(s)]
    if len(set(heights)) != 1:
        raise RecipeError(
            f"Models of {' and '.join(str(h) for h in sorted(set(heights)))} layers do not merge.",
            "Give all of them the same number of layers.",
        )
    return [read_layers(s) if is_layers(s) else (Run(s, 0, heights[0]),) for s in sources]


def cut(stacks: Sequence[Sequence[Run]]) -> list[Segment]:
    """Return the segments of rows of equal height, in order.

    Runs of no layers at the ends stay, because embeddings or heads are taken from them.
    """
    height = sum(len(run) for run in stacks[0])
    cuts = {0, height}
    for stack in stacks:
        at = 0
        for run in stack:
            at += len(run)
            cuts.add(at)
    borders = sorted(cuts)
    found = [
        Segment(start, stop, tuple(_part(stack, start, stop) for stack in stacks))
        for start, stop in zip(borders, borders[1:], strict=False)
    ]
    if any(len(stack[0]) == 0 for stack in stacks):
        found.insert(0, Segment(0, 0, tuple(_empty(stack[0], first=True) for stack in stacks)))
    if any(len(stack[-1]) == 0 for stack in stacks):
        runs = tuple(_empty(stack[-1], first=False) for stack in stacks)
        found.append(Segment(height, height, runs))
    return found


def _part(stack: Sequence[Run], start: int, stop: int) -> Run:
    at = 0
    for run in stack:
        if at <= start and stop <= at + len(run) and len(run):
            return Run(run.source, run.start + start - at, run.start + stop - at)
        at += len(run)
    raise AssertionError("cuts include every border")


def _empty(run: Run, *, first: bool) -> Run:
    place = run.start if first else run.stop
    return Run(run.source, place, place)

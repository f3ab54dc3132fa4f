"""Merge once by this library: python -m benchmarks.merge_mergescope RECIPE OUT THREADS warm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.merge_meter import report
from merger.engine import merge
from merger.kernels import choice, form_table
from merger.memory import merge_tensors
from merger.recipe import Recipe
from merger.spec import METHODS


def load_loops(made: Recipe) -> None:
    """Compile the loops, or load them where they were compiled before; this is done once.

    The recipe is merged for models of a few numbers, as if they were large.
    """
    draw = torch.Generator().manual_seed(0)
    shape = (2, form_table.SHORTEST_ROW)
    few = [
        {"w": torch.randn(shape, generator=draw).to(torch.bfloat16)}
        for _ in range(len(made.experts) + 1)
    ]
    whole = choice.SMALLEST
    choice.SMALLEST = 0
    try:
        merge_tensors(
            made.method, few[1:], few[0] if made.base is not None else None,
            params=made.params, weights=made.weights,
        )  # fmt: skip
    finally:
        choice.SMALLEST = whole


def prepare(recipe: Path, out: Path, threads: int, *, sync: bool = False) -> Callable[[], Any]:
    """Return a merge by this library, which waits for the disk at the end if told to."""
    torch.set_num_threads(threads)
    made = Recipe.from_yaml(recipe.read_text("utf-8"))
    assert made.method in METHODS
    load_loops(made)
    options = {"threads": threads, "base_dir": recipe.parent, "device": "cpu"}
    # As on the command line, where nothing follows in the same process.
    return lambda: merge(made, out, for_more=False, sync=sync, **options)


if __name__ == "__main__":
    report(prepare)

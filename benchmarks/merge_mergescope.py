"""Merge once by this library: python -m benchmarks.merge_mergescope RECIPE OUT THREADS warm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.merge_meter import report
from merger.combination import Combination
from merger.cuts import NOTHING
from merger.engine import merge
from merger.kernels.combine import combine
from merger.kernels.gram import add_products
from merger.kernels.stored_counts import StoredCounts
from merger.kernels.ties import ballot_of, ties
from merger.recipe import Recipe
from merger.spec import METHODS


def load_loops(experts: int) -> None:
    """Compile the loops, or load them where they were compiled before; this is done once."""
    few = [np.zeros(1, np.uint16) for _ in range(experts)]
    for base in (None, np.zeros(1, np.uint16)):
        shares = Combination((1.0,) * experts, on_base=base is not None)
        combine(few, base, shares, np.zeros(1, np.uint16))
        add_products(np.zeros((experts, experts)), few, base)
    counts = StoredCounts(lambda: [(few, few[0])], lambda: None)
    counts.find([[(bits, 1)] for bits in range(len(few))])
    counts.low([{0} for _ in counts.high([True] * experts)])
    ballot = ballot_of(METHODS["ties"].resolve({}), (1.0,) * experts)
    ties(few, few[0], [NOTHING] * experts, 0, ballot, 1.0, few[0].copy())


def prepare(recipe: Path, out: Path, threads: int) -> Callable[[], Any]:
    """Return a merge by this library."""
    torch.set_num_threads(threads)
    made = Recipe.from_yaml(recipe.read_text("utf-8"))
    assert made.method in METHODS
    load_loops(len(made.experts))
    return lambda: merge(made, out, threads=threads, base_dir=recipe.parent, device="cpu")


if __name__ == "__main__":
    report(prepare)

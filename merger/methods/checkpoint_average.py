"""Checkpoint and run averaging: the mean of the last snapshots."""

from typing import Annotated

from merger.algebra import mean
from merger.spec import Knob, Weight, Weights, merge_method


@merge_method(
    "Checkpoint averaging",
    family="averaging",
    paper="arXiv:2305.16834",
    evidence="code read",
    laws=("single", "idempotent", "symmetric", "homogeneous", "odd", "shift", "local"),
    order=lambda knobs, n: knobs["last"] is not None and knobs["last"] < n,
)
def checkpoint_average(
    theta: Weights,
    *,
    last: Annotated[int | None, Knob(1, slider=(1, 8), step=1, symbol="k", none="all")] = None,
) -> Weight:
    """Average the snapshots of one run or of several runs, or only the last ones.

    θ* = (1/k) Σ θₜ over the last k snapshots

    Args:
        theta: The snapshots' weights, in the order they were saved.
        last: How many snapshots at the end of the list count; all of them unless given.
    Words: soup, snapshots, SWA.
    Fails: Runs whose heads started from different numbers cannot be averaged: such heads have
        nothing in common.
    Reference: Schmidt et al., Free Lunch: Robust Cross-Lingual Transfer via Model Checkpoint
        Averaging, 2023, arXiv:2305.16834. Run averaging lists the last checkpoint of every run,
        run and checkpoint averaging every checkpoint of every run; both are the mean over the
        list. Runs must share how their heads were initialised.
    """
    return mean(theta[-last:] if last is not None else theta)

"""What the headline tiles claim about a change against the pin."""

from types import SimpleNamespace

import numpy as np
import pytest

from merger.intervals import Interval
from viz.kpis import kpis
from viz.scene import Pin
from viz.scores import Scores

TASKS = (SimpleNamespace(title="first"), SimpleNamespace(title="second"))
SURE, UNSURE = (0.05, 0.15), (-0.05, 0.15)


def scores(normalised, change=None) -> Scores:
    values = np.array(normalised)
    intervals = None
    if change is not None:
        intervals = tuple(Interval((low + high) / 2, low, high) for low, high in change)
    n = np.array([10, 10])
    return Scores(
        TASKS, values, values, values, values, n, True, "validation", "d", change=intervals
    )


def worst_tile(now: Scores, then: Scores) -> dict:
    pin = Pin("pinned", then, None, None)
    nothing = {"measures": None, "merged": None, "missing": "", "family": None}
    return kpis(SimpleNamespace(scores=now, pin=pin, **nothing))[1]


@pytest.mark.parametrize(
    ("now", "then", "change", "sees"),
    [
        # The old worst, the first, surely rose; the second is the worst now.
        ((0.7, 0.6), (0.5, 0.65), (SURE, UNSURE), True),
        ((0.7, 0.6), (0.5, 0.65), (UNSURE, SURE), False),
        # The new worst, the second, surely fell.
        ((0.6, 0.4), (0.5, 0.65), (UNSURE, (-0.3, -0.2)), True),
        ((0.6, 0.4), (0.5, 0.65), (SURE, (-0.5, 0.1)), False),
        # The same task is the worst in both.
        ((0.55, 0.8), (0.5, 0.8), (UNSURE, SURE), False),
    ],
)
def test_a_worst_task_has_changed_only_beyond_the_interval_of_the_task_that_moved_it(
    now, then, change, sees
):
    tile = worst_tile(scores(now, change), scores(then))
    assert ("no difference" in tile["delta"]["words"]) is not sees

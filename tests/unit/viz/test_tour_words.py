"""What the cards of the tour say: sentences and verdicts follow from the numbers handed in."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from merger.diagnostics.signs import SignsInfo, measure_signs
from merger.diagnostics.tasks import TaskBars
from tests.stacks import random_stack
from tests.unit.figures.test_pareto import FAR, GOOD, info, trial
from tests.unit.figures.test_training import info_of
from viz.tour_words import (
    best_of_front,
    of_average,
    of_change,
    of_conflict,
    of_front,
    of_knee,
    of_link,
    of_output,
    of_training,
)


def bars(merged: tuple[float, ...], half: float = 0.02, **more: Any) -> TaskBars:
    """Two tasks of 100 examples; experts reach 90% and 70%, the base 40% on both."""
    value = np.array(merged)
    known = TaskBars(
        tasks=("digits", "letters"), metric="accuracy", base=np.array([0.4, 0.4]),
        expert=np.array([0.9, 0.7]), merged=value, low=value - half, high=value + half,
        pinned=np.full(2, np.nan), measured=True, n=np.array([100, 100]), split="validation",
    )  # fmt: skip
    return replace(known, **more)


def changed(a: tuple[float, float], b: tuple[float, float], half: float) -> TaskBars:
    """Merge b with a pinned; each paired change is known to ± half."""
    change = np.array(b) - np.array(a)
    ends: dict[str, Any] = {"change_low": change - half, "change_high": change + half}
    return bars(b, pinned=np.array(a), **ends)


def test_an_average_that_loses_says_how_much_and_where_most() -> None:
    # Mean of 0.6 and 0.5; the half-width of two tasks' mean is √(0.02² + 0.02²) / 2 = 0.014.
    assert of_average(bars((0.6, 0.5))) == (
        "It reaches 55.0% (95%: 53.6% to 56.4%) mean accuracy over 2 tasks (n 200, validation). "
        "Each expert alone reaches 80.0% on its own task, the base 40.0%. "
        "25.0 points are lost, most on digits: 60.0% instead of 90.0%."
    )


def test_an_average_as_good_as_its_experts_is_not_said_to_disappoint() -> None:
    assert of_average(bars((0.9, 0.7))).endswith("No difference from the experts is seen.")
    assert of_average(bars((0.95, 0.75))).endswith("That is 5.0 points more than the experts.")


def test_an_estimate_is_called_a_preview() -> None:
    assert "(preview, n 200, validation)" in of_average(bars((0.6, 0.5), measured=False))


def test_a_change_beyond_its_interval_is_told_with_it() -> None:
    # The changes are +0.2 and +0.1 ± 0.05 each: their mean 0.15 ± 0.035.
    assert of_change(changed((0.4, 0.4), (0.6, 0.5), 0.05), "TIES", "the sum") == (
        "TIES reaches 55.0% mean accuracy, the sum 40.0%: +15.0 points (paired 95%: +11.5 to "
        "+18.5; n 200, validation). All 2 tasks gain."
    )
    worse = of_change(changed((0.6, 0.5), (0.4, 0.4), 0.05), "TIES", "the sum")
    assert ": −15.0 points" in worse and worse.endswith("All 2 tasks lose.")


def test_a_change_inside_its_interval_is_no_difference() -> None:
    assert of_change(changed((0.5, 0.5), (0.52, 0.5), 0.05), "LiNeS", "the sum") == (
        "LiNeS reaches 51.0% mean accuracy, the sum 50.0%: no difference seen (+1.0 points, "
        "paired 95%: −2.5 to +4.5; n 200, validation)."
    )


def test_tasks_that_gain_and_lose_are_counted_apart() -> None:
    said = of_change(changed((0.4, 0.5), (0.8, 0.3), 0.05), "TIES", "the sum")
    assert said.endswith("Of 2 tasks 1 gains and 1 loses.")
    mixed = of_change(changed((0.4, 0.5), (0.8, 0.48), 0.05), "TIES", "the sum")
    assert mixed.endswith("Of 2 tasks 1 gains; for 1 no difference is seen.")


def test_without_a_pin_nothing_is_compared() -> None:
    assert of_change(bars((0.6, 0.5)), "TIES", "the sum") == (
        "TIES reaches 55.0% (95%: 53.6% to 56.4%) mean accuracy (n 200, validation)."
    )


def conflict(value: float, half: float) -> SignsInfo:
    """Conflict of `value` in the whole model and in every cell, 0.4 by chance."""
    found = measure_signs(random_stack(3))
    cells, mass = found.cell_mass, found.mass
    known = np.isfinite(cells.value)
    put = lambda at: np.where(known, at, np.nan)  # noqa: E731
    return replace(
        found,
        mass=replace(mass, value=np.array(value), null=np.array(0.4), half=np.array(half)),
        cell_mass=replace(cells, value=put(value), null=put(0.4), half=put(half)),
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.5, "50.0% of what the experts change lies on weights that they pull in opposite "
              "directions: more than chance"),
        (0.3, "No cell shows more conflict than random signs would"),
        (0.405, "no different from chance"),
    ],
)  # fmt: skip
def test_conflict_is_told_beside_chance(value: float, words: str) -> None:
    assert words in of_conflict(conflict(value, 0.01))


def test_training_says_where_both_are_best_and_whether_that_differs() -> None:
    # Of ten right answers: experts 5, 8, 10; merged 9, 4, 1, so one is best first, one last.
    said = of_training(info_of((5, 8, 10), (9, 4, 1)))
    assert said.startswith("By themselves the experts are best at step 32 (100.0%). ")
    assert "Their merge (TIES, scale 0.3) is best at step 8 (90.0%): " in said
    assert "80.0 points better than at step 32 (paired 95%: " in said
    assert "With the factor chosen anew at each step it is best at step 8: " in said


def test_training_claims_no_difference_that_the_interval_does_not_hold() -> None:
    said = of_training(info_of((5, 8, 10), (4, 9, 8)))
    assert "is best at step 16 (90.0%): no difference seen from step 32 (+10.0 points" in said


def test_training_says_when_both_are_best_together() -> None:
    assert "So is their merge (TIES, scale 0.3: 90.0%)." in of_training(
        info_of((5, 10, 8), (4, 9, 1), why="there is no factor")
    )


def test_training_asks_for_what_is_not_measured() -> None:
    whole = info_of((5, 8, 10), (9, 4, 1))
    none = replace(whole, fixed=np.full((3, 3), np.nan), tuned=np.full((3, 3), np.nan))
    assert "along training is not measured yet: press “Measure”" in of_training(none)
    part = none.fixed.copy()
    part[0] = 0.5
    assert "is known at 1 of 3 steps" in of_training(replace(none, fixed=part))


MIDDLE = trial("middle", 0.15, 0.79)  # in shares of the spans: (0.75, 0.9)


def test_the_front_is_counted() -> None:
    assert of_front(info(GOOD, FAR, MIDDLE, trial("bad", 0.3, 0.5))).startswith(
        "4 merges are scored here so far; 3 are beaten by no other"
    )
    assert of_front(info(GOOD)).startswith("1 merge is scored here so far; 1 is beaten by no")
    assert of_front(info()).startswith("No merge is scored here yet.")


def test_the_knee_says_where_it_lies_and_what_lies_beyond() -> None:
    shown = info(GOOD, MIDDLE, FAR)
    assert shown.cloud.digests[shown.knee or 0] == "middle"
    assert shown.cloud.digests[best_of_front(shown) or 0] == "far"
    assert of_knee(shown) == (
        "Of 3 merges on the front this one bulges out most: mean normalised score 79.0% (74.0% to "
        "84.0%) at size of the update, ‖Δ‖ / ‖base‖ 0.150 (n 100, validation). The best of them "
        "on “Mean normalised score” is 1.0 points better, at 0.300."
    )


def test_a_front_without_a_knee_shows_its_best_end() -> None:
    said = of_knee(info(GOOD, FAR))
    assert said.startswith("The front has 2 merges and no knee yet: explore more.")
    assert "mean normalised score 80.0%" in said
    assert of_knee(info()).startswith("No merge is scored here yet")
    assert info().knee is None and best_of_front(info()) is None


def test_a_merge_and_a_link_say_what_is_on_the_page() -> None:
    assert "On the page is TIES of a and b." in of_output("TIES of a and b", 1_850_000)
    assert "1.9 MB of weights" in of_output("TIES of a and b", 1_850_000)
    assert of_link("TIES of a and b").startswith("The link holds what is on the page: TIES of a")

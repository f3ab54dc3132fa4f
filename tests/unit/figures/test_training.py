"""The training curves: what is drawn where, what a click sends, and what the words claim."""

from dataclasses import replace

import numpy as np
import pytest

from merger.training import TrainingInfo
from merger.training.curves import Measured, curves_of
from tests.unit.figures.drawn import check, check_patch
from tests.unit.training.pieces import bits, first, quiz, subject
from viz.figures.training import (
    AWAY,
    TrainingView,
    draw_training,
    frame_training,
    patch_training,
    y_range,
)

UNKNOWN = np.full(3, np.nan)


def info_of(own: tuple[int, ...], merged: tuple[int, ...], why: str = "") -> TrainingInfo:
    """Two experts and a merge with so many of ten right at steps 8, 16 and 32."""
    tasks = (quiz("mnist"), quiz("latin"))
    rows = [{"mnist": {"mnist": first(n)}, "latin": {"latin": first(n)}} for n in own]
    both = [{"mnist": first(n), "latin": first(n)} for n in merged]
    tried = [{1.0: row} for row in both]
    base = {"mnist": first(3), "latin": first(3)}
    followed = subject(*tasks, factors=() if why else (1.0,), why=why)
    return curves_of(followed, Measured(base, rows, both, tried), complete=True)


def view_of(info: TrainingInfo, at: int = 2, now: float = 0.5, measured: bool = True):
    steps = info.steps
    here = np.full(len(info.experts), steps[at] if at >= 0 else -1)
    return TrainingView(info, here, at, np.array([now, now - 0.1, now + 0.1]), measured)


def traces(view: TrainingView) -> dict:
    return {t["name"]: t for t in check(draw_training(view))["data"]}


def test_the_figure_is_sound_and_patches_fit_it() -> None:
    view = view_of(info_of((5, 8, 10), (4, 9, 1)))
    check_patch(draw_training(view), patch_training(view))


def test_steps_stand_in_log2_and_the_base_apart() -> None:
    view = view_of(info_of((5, 8, 10), (4, 9, 1)))
    drawn = check(draw_training(view))
    axis = drawn["layout"]["xaxis"]
    assert axis["tickvals"] == [2.0, 3.0, 4.0, 5.0]
    assert axis["ticktext"] == ["base", "8", "16", "32"]
    found = traces(view)
    assert found["merged"]["x"] == [3.0, 4.0, 5.0]
    assert found["base"]["x"][0] == 2.0 and found["base"]["y"] == pytest.approx([0.3, 0.3])


def test_both_best_steps_are_marked() -> None:
    found = traces(view_of(info_of((5, 8, 10), (4, 9, 1))))
    assert found["experts' best step"]["x"] == [5.0, 5.0]
    assert found["merge's best step"]["x"] == [4.0, 4.0]
    assert found["merge's best step"]["y"][1] == pytest.approx(0.9)


def test_a_click_sends_whose_steps_change_and_to_which() -> None:
    found = traces(view_of(info_of((5, 8, 10), (4, 9, 1))))
    assert [point[:2] for point in found["merged"]["customdata"]] == [["", 8], ["", 16], ["", 32]]
    assert found["latin"]["customdata"][1][:2] == ["latin", 16]
    assert "own score 80.0%" in found["latin"]["customdata"][1][2]


def test_the_present_step_follows_and_an_estimate_has_a_mark_of_its_own() -> None:
    info = info_of((5, 8, 10), (4, 9, 1))
    measured, estimated = (traces(view_of(info, 1, measured=m)) for m in (True, False))
    assert measured["present step"]["x"] == [4.0, 4.0]
    assert (measured["present merge"]["x"], measured["present merge, preview"]["x"]) == (
        [4.0], [AWAY],
    )  # fmt: skip
    assert estimated["present merge"]["x"] == [AWAY]
    assert "estimated" in estimated["present merge, preview"]["customdata"][0][2]


def test_experts_at_different_steps_have_their_own_rings_and_no_common_line() -> None:
    info = info_of((5, 8, 10), (4, 9, 1))
    view = replace(view_of(info, -1), here=np.array([8, 32]))
    found = traces(view)
    assert found["experts' present steps"]["x"] == [3.0, 5.0]
    assert found["experts' present steps"]["y"] == pytest.approx([0.5, 1.0])
    assert found["present step"]["x"] == [AWAY, AWAY]


def test_the_words_say_where_both_are_best_and_by_how_much() -> None:
    look = draw_training(view_of(info_of((5, 8, 10), (4, 9, 1)))).meta["look"]
    assert "best at step 32 (100.0%)" in look
    assert "merged (TIES, scale 0.3) at step 16 (90.0%): 80.0 points better" in look
    assert "paired 95%" in look and "ends below the base" in look


def test_the_words_claim_nothing_that_the_interval_does_not_hold() -> None:
    look = draw_training(view_of(info_of((5, 8, 10), (4, 6, 5)))).meta["look"]
    assert "no difference seen from step 32" in look
    assert "better than" not in look.split("With the scale")[0]


def test_one_best_step_for_both_is_said_so() -> None:
    look = draw_training(view_of(info_of((5, 8, 10), (4, 6, 9)))).meta["look"]
    assert "and so is their merge" in look


def test_a_method_that_is_not_tuned_says_why() -> None:
    meta = draw_training(view_of(info_of((5, 8, 10), (4, 6, 9), why="it is fixed"))).meta
    assert "Nothing is tuned: it is fixed." in meta["caption"] and "tuned" not in meta["look"]


def test_before_anything_is_measured_the_figure_says_so() -> None:
    info = curves_of(subject(quiz("mnist"), quiz("latin")), Measured(), complete=False)
    view = TrainingView(info, np.array([8, 8]), 0, UNKNOWN, False)
    meta = check(draw_training(view))["meta"]
    assert "not measured yet" in meta["look"] and "kind" not in meta


def test_fewer_bits_are_better_and_up_is_better() -> None:
    task = quiz("text:mnist", "bits_per_byte")
    costs = (30.0, 20.0, 25.0)
    rows = [{task.name: bits(cost, cost + 1)} for cost in costs]
    own = [{"mnist": row} for row in rows[::-1]]
    found = Measured(rows[0], own, rows, [{1.0: row} for row in rows])
    info = curves_of(subject(task, experts=("mnist",)), found, complete=True)
    view = replace(view_of(info, 1, now=2.1))
    drawn = check(draw_training(view))
    low, high = drawn["layout"]["yaxis"]["range"]
    assert low > high
    assert "bits per byte saved" in drawn["meta"]["look"]
    assert traces(view)["merge's best step"]["x"] == [4.0, 4.0]


def test_a_drag_keeps_the_axes_and_new_points_bring_a_new_figure() -> None:
    info = info_of((5, 8, 10), (4, 9, 1))
    one, other = view_of(info, 0, 0.45), view_of(info, 2, 0.52, measured=False)
    assert frame_training(one) == frame_training(other) and y_range(one) == y_range(other)
    half = replace(info, tuned=np.full((3, 3), np.nan))
    assert frame_training(view_of(half)) != frame_training(view_of(info))


@pytest.mark.parametrize("name", ["merged", "base", "<b>mnist</b>"])
def test_names_of_experts_are_told_apart_from_curves(name: str) -> None:
    info = replace(info_of((5, 8, 10), (4, 9, 1)), experts=(name, "latin"))
    drawn = check(draw_training(view_of(info)))
    assert drawn["data"][0]["customdata"][0][2].startswith(f"{name}, step 8: own score 50.0%")

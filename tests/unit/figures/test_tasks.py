from dataclasses import replace

import numpy as np
import pytest

from merger.diagnostics.tasks import TaskBars
from tests.unit.figures.drawn import check, check_patch
from viz.figures.tasks import draw_tasks, patch_tasks

NONE = np.full(2, np.nan)
BARS = TaskBars(
    tasks=("mnist", "latin"),
    metric="accuracy",
    base=np.array([0.5, 0.4]),
    expert=np.array([0.9, 0.8]),
    merged=np.array([0.7, 0.75]),
    low=np.array([0.65, 0.7]),
    high=np.array([0.76, 0.8]),
    pinned=NONE,
    measured=True,
    n=np.array([500, 400]),
    split="validation",
)
PINNED = replace(
    BARS,
    pinned=np.array([0.6, 0.74]),
    change_low=np.array([0.05, -0.01]),
    change_high=np.array([0.15, 0.03]),
)
BITS = replace(
    BARS,
    metric="bits_per_byte",
    base=np.array([3.0, 2.0]),
    expert=np.array([1.0, 1.5]),
    merged=np.array([2.0, 1.4]),
    low=np.array([1.9, 1.3]),
    high=np.array([2.1, 1.5]),
)


def traces(shape):
    return {trace["name"]: trace for trace in shape["data"]}


def test_a_measured_bar_is_solid_and_carries_its_interval():
    shape = check(draw_tasks(BARS, {"latin": "@expert-4"}))
    bars = traces(shape)
    assert bars["merged"]["x"] == [0.7, 0.75]
    assert bars["merged"]["error_x"]["array"] == pytest.approx([0.06, 0.05])
    assert bars["merged"]["error_x"]["arrayminus"] == pytest.approx([0.05, 0.05])
    assert bars["merged"]["marker"]["color"] == ["@expert-1", "@expert-4"]
    assert bars["merged, preview"]["x"] == [-1.0, -1.0]
    assert bars["value"]["text"] == ["70.0%", "75.0%"]
    assert bars["base"]["x"] == [0.5, 0.4] and bars["own expert"]["x"] == [0.9, 0.8]
    assert (shape["meta"]["kind"], shape["meta"]["n"]) == ("measured", 900)
    assert shape["layout"]["xaxis"]["title"]["text"] == "accuracy (higher is better)"


def test_a_preview_is_hatched_and_says_so():
    figure, patch = draw_tasks(BARS), patch_tasks(replace(BARS, measured=False))
    check_patch(figure, patch)
    assert patch["traces"]["merged, preview"]["x"] == [0.7, 0.75]
    assert patch["traces"]["merged"]["x"] == [-1.0, -1.0]
    assert patch["traces"]["value"]["text"] == ["≈70.0%", "≈75.0%"]
    assert patch["meta"]["kind"] == "estimated" and "hatched" in patch["meta"]["caption"]
    hatch = traces(figure.to_json())["merged, preview"]["marker"]["pattern"]
    assert hatch["shape"] == "/"


def test_the_caption_names_the_greatest_loss():
    assert "mnist loses most against its expert (−20.0 points)." in draw_tasks(BARS).meta["look"]
    better = replace(BARS, merged=np.array([0.95, 0.85]))
    assert "No task loses against its expert." in draw_tasks(better).meta["look"]


def test_a_change_inside_its_interval_is_no_difference():
    figure = draw_tasks(PINNED)
    assert "Against the pin, of 2 tasks: 1 better, 1 no difference seen." in figure.meta["look"]
    assert traces(check(figure))["value"]["text"] == ["70.0%  +10.0", "75.0%  ="]
    inside = draw_tasks(replace(PINNED, change_low=np.array([-0.1, -0.1])))
    assert "no difference is seen on any task." in inside.meta["look"]


def test_a_change_whose_interval_is_not_known_is_not_judged():
    unsure = draw_tasks(replace(PINNED, change_low=np.zeros(0), change_high=np.zeros(0)))
    assert "is not known yet" in unsure.meta["look"]
    assert traces(check(unsure))["value"]["text"] == ["70.0%  +10.0", "75.0%  +1.0"]


def test_the_pin_is_a_ghost_and_nothing_pinned_has_no_length():
    assert traces(check(draw_tasks(PINNED)))["pinned"]["x"] == [0.6, 0.74]
    assert traces(check(draw_tasks(BARS)))["pinned"]["x"] == [0.0, 0.0]
    assert [traces(check(draw_tasks(b)))["pinned"]["showlegend"] for b in (PINNED, BARS)] == [
        True,
        False,
    ]


def test_numbers_stand_beside_the_axis_where_no_diamond_reaches_them():
    shape = check(draw_tasks(replace(BARS, expert=np.array([1.0, 0.99]))))
    value = traces(shape)["value"]
    assert shape["layout"]["xaxis"]["range"] == [0, 1] and value["x"] == [1.0, 1.0]
    assert value["marker"]["size"] > traces(shape)["own expert"]["marker"]["size"]
    assert shape["layout"]["margin"]["r"] > 50 and not value["cliponaxis"]


def test_bits_per_byte_say_that_lower_is_better():
    shape = check(draw_tasks(BITS))
    assert shape["layout"]["xaxis"]["title"]["text"] == "bits per byte (lower is better)"
    assert shape["layout"]["xaxis"]["range"] == pytest.approx([0, 3.75])
    assert traces(shape)["value"]["text"] == ["2.000", "1.400"]
    assert "mnist loses most against its expert (+1.000 bits per byte)." in shape["meta"]["look"]


def test_a_value_beyond_the_axis_stops_at_its_end_but_is_written_out():
    wild = replace(BITS, merged=np.array([500.0, 1.4]), high=np.array([501.0, 1.5]))
    patch = patch_tasks(wild)
    assert patch["traces"]["merged"]["x"] == pytest.approx([3.75, 1.4])
    assert patch["traces"]["value"]["text"][0] == "500.000"


def test_a_task_without_an_expert_or_a_score_still_draws():
    shape = check(draw_tasks(replace(BARS, expert=NONE, merged=NONE, low=NONE, high=NONE)))
    assert traces(shape)["own expert"]["x"] == [None, None]
    assert traces(shape)["value"]["text"] == ["–", "–"]
    assert "Nothing is known yet" in shape["meta"]["look"]


def test_without_own_experts_tasks_are_compared_with_the_base():
    shape = check(draw_tasks(replace(BARS, expert=NONE)))
    assert shape["meta"]["look"] == "latin gains most over the base (+35.0 points)."
    assert "Diamond" not in shape["meta"]["caption"]
    assert not traces(shape)["own expert"]["showlegend"]
    shape = check(draw_tasks(replace(BITS, expert=NONE)))
    assert shape["meta"]["look"] == "mnist gains most over the base (−1.000 bits per byte)."
    worse = draw_tasks(replace(BITS, expert=NONE, merged=np.array([3.5, 2.1]))).meta["look"]
    assert worse == "No task gains over the base; latin comes closest (+0.100 bits per byte)."


def test_the_words_for_the_blind_hold_the_live_numbers():
    assert draw_tasks(BARS).meta["alt"] == (
        "Measured accuracy of the merged model: mnist 70.0% (base 50.0%, own expert 90.0%); "
        "latin 75.0% (base 40.0%, own expert 80.0%)."
    )


def test_task_bars_know_which_way_is_up():
    assert PINNED.change == pytest.approx([0.1, 0.01])
    assert PINNED.sees_change.tolist() == [True, False]
    assert BITS.loss == pytest.approx([1.0, -0.1])
    assert replace(PINNED) == PINNED and replace(PINNED, n=np.array([1, 2])) != PINNED


def test_without_base_and_experts_the_axis_stands_still_and_the_best_is_named():
    def bars(merged: list[float]) -> TaskBars:
        unknown = np.full(2, np.nan)
        values = np.array(merged)
        return TaskBars(
            ("a", "b"), "bits_per_byte", unknown, unknown, values, values - 0.1, values + 0.1,
            unknown, True, np.array([32, 32]), "validation",
        )  # fmt: skip

    figure = draw_tasks(bars([4.5, 5.5])).to_json()
    assert figure["layout"]["xaxis"]["range"] == [0, 8.0]
    assert figure["meta"]["look"] == "a goes best (4.500 bits per byte), b worst (5.500)."
    assert "base" not in figure["meta"]["caption"]
    moved = patch_tasks(bars([2.5, 7.5]))["traces"]
    assert list(moved["value"]["x"]) == [8.0, 8.0]

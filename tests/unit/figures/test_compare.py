from dataclasses import replace

import numpy as np
import pytest

from merger.diagnostics.compare import CompareInfo
from tests.unit.figures.drawn import check, check_patch
from viz.figures.compare import draw_compare, limit_of, patch_compare

INFO = CompareInfo(
    tasks=("mnist", "latin"),
    metric="accuracy",
    a=np.array([0.9, 0.5]),
    b=np.array([0.92, 0.44]),
    change=np.array([[0.02, -0.01, 0.05], [-0.06, -0.1, -0.02]]),
    only_a=np.array([3.0, 40.0]),
    only_b=np.array([13.0, 10.0]),
    n=np.array([500, 480]),
    groups=np.array([500, 12]),
    mean=np.array([-0.02, -0.045, 0.005]),
    worst=np.array([-0.06, -0.1, -0.02]),
    totals=np.array([[0.7, 0.68], [0.5, 0.44]]),
    normalised=False,
    worst_a=1,
    worst_b=1,
    measured=True,
    split="validation",
    live=True,
    owners=("mnist", "latin"),
)
BITS = replace(
    INFO,
    metric="bits_per_byte",
    a=np.array([2.0, 3.0]),
    b=np.array([1.9, 3.0]),
    change=np.array([[-0.1, -0.2, -0.05], [0.0, -0.1, 0.1]]),
    mean=np.array([-0.05, -0.1, -0.01]),
    worst=np.array([0.0, -0.1, 0.1]),
)


def traces(shape):
    return {trace["name"]: trace for trace in shape["data"]}


def test_changes_are_in_points_with_their_paired_intervals():
    shape = check(draw_compare(INFO, {"latin": "@expert-4"}))
    dots = traces(shape)["measured"]
    assert dots["x"] == pytest.approx([2, -6, -2, -6])
    assert dots["error_x"]["array"] == pytest.approx([3, 4, 2.5, 4])
    assert dots["error_x"]["arrayminus"] == pytest.approx([3, 4, 2.5, 4])
    assert dots["marker"]["color"][1] == "@expert-4"
    assert traces(shape)["preview"]["x"] == [-90] * 4  # waits outside the axis
    assert shape["layout"]["xaxis"]["range"] == [-10, 10]


def test_an_interval_that_holds_zero_reads_no_difference():
    shape = check(draw_compare(INFO))
    assert traces(shape)["change"]["text"] == [
        "no difference", "−6.0 worse", "no difference", "−6.0 worse",
    ]  # fmt: skip
    words = traces(shape)["measured"]["customdata"]
    assert words[0][1] == "+2.0 points (95%: −1.0 to +5.0): no difference seen"
    assert words[1][2] == "A 50.0%, B 44.0% · 480 examples of validation"
    look = shape["meta"]["look"]
    assert look.startswith("B against A: worse on 1, no difference seen on 1 of 2 tasks.")
    assert "The mean is no different: −2.0 points (95%: −4.5 to +0.5)." in look


def test_estimates_are_open_and_say_so():
    early = replace(INFO, measured=False, worst_b=0, worst=np.array([0.42, np.nan, np.nan]))
    shape = check(draw_compare(early))
    assert max(traces(shape)["measured"]["x"]) < shape["layout"]["xaxis"]["range"][0]
    assert traces(shape)["preview"]["marker"]["symbol"][0] == "circle-open"
    assert traces(shape)["change"]["text"][3] == "≈+42.0"
    assert shape["meta"]["kind"] == "estimated" and "estimated (open)" in shape["meta"]["caption"]
    assert "not known yet" in traces(shape)["preview"]["customdata"][3][1]


def test_fewer_bits_are_better():
    shape = check(draw_compare(BITS))
    assert "left: B is better" in shape["layout"]["xaxis"]["title"]["text"]
    assert traces(shape)["change"]["text"][0] == "−0.100 better"
    assert "A needs fewer bits" in shape["meta"]["table"]["columns"]


def test_the_table_has_counts_and_the_independent_groups():
    table = check(draw_compare(INFO))["meta"]["table"]
    assert table["rows"][1] == ["latin", 0.5, 0.44, -0.06, -0.1, -0.02, "worse", 40, 10, 480, 12]
    assert table["rows"][3][:3] == ["worst task (latin)", 0.5, 0.44]


def test_totals_say_when_they_count_shares_of_the_experts_best():
    share = replace(INFO, normalised=True, totals=np.array([[0.75, 0.71], [0.6, 0.5]]))
    shape = check(draw_compare(share))
    assert shape["layout"]["yaxis"]["ticktext"][2:] == ["mean, normalised", "worst, normalised"]
    assert traces(shape)["measured"]["customdata"][3][2] == "A latin 60.0%, B latin 50.0%"
    assert "shares of each expert's best" in shape["meta"]["caption"]


def test_the_caption_says_what_b_is_and_when_fonts_are_shared():
    caption = check(draw_compare(INFO))["meta"]["caption"]
    assert "share a font" in caption and "merge on this page" in caption
    both = replace(INFO, live=False, groups=INFO.n)
    caption = check(draw_compare(both))["meta"]["caption"]
    assert "share a font" not in caption and "both pinned" in caption


def test_a_drag_moves_dots_and_keeps_the_axis():
    figure = draw_compare(INFO)
    moved = replace(INFO, change=INFO.change / 2)
    assert limit_of(moved) == limit_of(INFO)
    check_patch(figure, patch_compare(moved))

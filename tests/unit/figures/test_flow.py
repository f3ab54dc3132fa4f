import numpy as np
import pytest

from merger.diagnostics.flow import FlowInfo, Parts
from tests.unit.figures.drawn import check, check_patch
from viz.figures.flow import COUNT, SIZE, draw_flow, frame_flow, patch_flow


def parts(*rows) -> Parts:
    return Parts(*(np.array(row, np.float64) for row in rows))


def info(elects: bool = True, word: str = "trimmed", sample: float | None = None) -> FlowInfo:
    mass = parts([6, 9], [0, 2], [2, 1]) if word else parts([6, 9], [2, 3], [0, 0])
    entries = parts([3, 2], [0, 1], [1, 1]) if word else parts([3, 3], [1, 1], [0, 0])
    return FlowInfo(("a", "b"), "TIES", elects, word, mass, entries, sample)


def test_what_is_kept_parts_into_merged_and_outvoted():
    shape = check(draw_flow(info(), {"a": "@expert-5"}))
    size, count = shape["data"]
    assert size["name"] == SIZE and count["name"] == COUNT
    ends = ["kept 85.0%", "merged 75.0%", "outvoted 10.0%", "trimmed 15.0%"]
    assert size["node"]["label"] == ["a", "b", *ends]
    assert size["link"]["source"] == [0, 1, 0, 1, 2, 2, 2, 2]
    assert size["link"]["target"] == [2, 2, 5, 5, 3, 3, 4, 4]
    assert size["link"]["value"] == pytest.approx([0.3, 0.55, 0.1, 0.05, 0.3, 0.45, 0, 0.1])
    assert size["link"]["customdata"][7] == ["b", "16.7% outvoted"]
    assert size["node"]["color"][0] == "@expert-5"
    assert shape["meta"]["look"] == (
        "Of the experts' change, 75.0% is merged, 10.0% is outvoted and 15.0% is trimmed. "
        "b is outvoted most (16.7% of its change)."
    )
    first = shape["meta"]["table"]["rows"][0]
    assert first == ["a", 0.4, 0.75, 0.0, 0.25, 4, 3, 0, 1]


def test_orange_is_for_what_conflicts_and_nothing_else():
    link = draw_flow(info()).data[0]["link"]
    orange = [i for i, colour in enumerate(link["color"]) if "conflict" in colour]
    assert [link["target"][i] for i in orange] == [4, 4]  # the node of what is outvoted


def test_without_a_step_that_leaves_out_experts_lead_straight_to_the_sum():
    shape = check(draw_flow(info(elects=False, word="")))
    size = shape["data"][0]
    assert size["link"]["source"][4:] == [0, 1, 0, 1]
    assert size["link"]["value"][:4] == [0, 0, 0, 0]
    assert "75.0% is merged and 25.0% is cancelled" in shape["meta"]["look"]
    assert "Orange cancels" in shape["meta"]["caption"]


def test_a_patch_moves_both_rivers_and_a_sample_says_so():
    patch = patch_flow(info(sample=0.01))
    check_patch(draw_flow(info()), patch)
    assert set(patch["traces"]) == {SIZE, COUNT} and "Estimated" in patch["meta"]["caption"]
    assert frame_flow(info()) != frame_flow(info(elects=False, word=""))


def test_experts_that_change_nothing_still_draw():
    nothing = parts([0, 0], [0, 0], [0, 0])
    shape = check(draw_flow(FlowInfo(("a", "b"), "TIES", True, "trimmed", nothing, nothing, None)))
    assert "No expert changes anything" in shape["meta"]["look"]

from dataclasses import replace

import numpy as np
import pytest

from merger.diagnostics.flow import Parts, StepsInfo
from merger.diagnostics.pipeline import Step
from tests.unit.figures.drawn import check, check_patch
from viz.figures.layer_flow import draw_layer_flow, frame_layer_flow, patch_layer_flow
from viz.figures.steps import TOGETHER, draw_steps, frame_steps, patch_steps

NAN = float("nan")
STEPS = (
    Step("trim", "Each keeps its largest changes", "trimmed"),
    Step("elect", "What disagrees is set to 0", "outvoted", True),
    Step("scale", "The sum is scaled", together=True),
)


def info(**changed) -> StepsInfo:
    """Two experts, two layers; what is lost differs between the layers."""
    counts = [[[4, 4], [4, 4]], [[2, 3], [3, 3]], [[2, 3], [1, 3]], [[3, 3], [NAN, NAN]]]
    sizes = [[[8, 8], [4, 4]], [[6, 8], [4, 2]], [[6, 8], [2, 2]], [[6, 12], [NAN, NAN]]]
    mass = Parts(
        np.array([[6.0, 8.0], [2.0, 2.0]]),
        np.array([[0.0, 0.0], [2.0, 0.0]]),
        np.array([[2.0, 0.0], [0.0, 2.0]]),
    )
    made = StepsInfo(
        ("a", "b"), "TIES", STEPS, "weights", ("out", "0"), np.array(counts, float),
        np.array(sizes, float), mass, mass, True, "trimmed", "", None,
    )  # fmt: skip
    return replace(made, **changed)


def test_each_expert_has_a_line_by_number_and_one_by_size():
    shape = check(draw_steps(info(), {"a": "@expert-5"}))
    lines = {trace["name"]: trace for trace in shape["data"]}
    assert lines["a, by number"]["y"] == [1, 0.625, 0.625, None]
    assert lines["b, by size"]["y"] == [1, 0.75, 0.5, None]
    assert lines["a, by size"]["line"]["color"] == "@expert-5"
    assert lines[TOGETHER]["y"] == [None, None, None, 0.75]
    assert lines["a, by number"]["customdata"][1] == "a, trim: 5 weights = 62.5%"
    assert shape["layout"]["xaxis2"]["ticktext"] == ["change", "trim", "elect", "scale"]


def test_the_words_say_what_is_left_after_each_step():
    meta = check(draw_steps(info()))["meta"]
    assert meta["look"] == (
        "Of what the experts changed there is, after trim 68.8% of the weights and 83.3% of the "
        "size; after elect 56.2% of the weights and 75.0% of the size; after scale 75.0% of the "
        "size."
    )
    assert "trim: each keeps its largest changes" in meta["caption"]
    assert meta["table"]["rows"][0] == ["change", "a", 8, "16.000"]
    assert meta["table"]["rows"][-1] == ["scale", TOGETHER, 6, "18.000"]


def test_what_cannot_be_counted_is_said_in_words():
    none = info(
        counts=np.zeros((4, 2, 2)), unit="directions", note="Frequencies are no directions."
    )
    meta = check(draw_steps(none))["meta"]
    assert "Frequencies are no directions. No directions can be counted here." in meta["caption"]
    assert "energy" in meta["look"]


def test_a_patch_moves_lines_and_large_numbers_need_new_axes():
    check_patch(draw_steps(info()), patch_steps(info(sample=0.01)))
    larger = info(sizes=info().sizes * np.array([1, 1, 1, 9])[:, None, None])
    assert frame_steps(larger) != frame_steps(info())
    assert "Estimated" in patch_steps(info(sample=0.01))["meta"]["caption"]


def test_experts_that_change_nothing_still_draw():
    empty = Parts(*(np.zeros((2, 2)) for _ in range(3)))
    nothing = info(counts=info().counts * 0, sizes=info().sizes * 0, mass=empty, entries=empty)
    assert "No expert changes" in check(draw_steps(nothing))["meta"]["look"]
    assert "Nothing changes" in check(draw_layer_flow(nothing))["meta"]["look"]


def test_layers_are_stacked_to_the_whole():
    shape = check(draw_layer_flow(info()))
    merged, opposed, left = shape["data"]
    assert merged["y"] == pytest.approx([8 / 12, None, 10 / 12])
    assert opposed["y"] == pytest.approx([2 / 12, None, 0])
    assert left["y"] == pytest.approx([2 / 12, None, 2 / 12])
    assert merged["customdata"][2] == ["0", "layer 0: 83.3% merged"]
    assert opposed["marker"]["color"] == "@conflict" and shape["meta"]["clickable"]
    assert shape["meta"]["look"] == (
        "Layer 0 keeps most of it (83.3%), what lies outside the layers least (66.7%)."
    )


def test_one_expert_or_one_layer_can_be_chosen():
    one = check(draw_layer_flow(info(), "b", "0"))
    assert one["data"][0]["y"] == pytest.approx([0.5, None, 0.5])
    assert "b's change" in one["meta"]["caption"] and "shows layer 0" in one["meta"]["caption"]
    other = draw_layer_flow(info(), "nobody", "99").to_json()["meta"]["caption"]
    assert "the experts' change" in other and "Click a layer" in other
    check_patch(draw_layer_flow(info()), patch_layer_flow(info(), "a", "0"))


def test_where_nothing_can_conflict_nothing_is_orange():
    cut = info(unit="directions", cuts=True, elects=False, word="cut")
    shape = check(draw_layer_flow(cut))
    assert [trace["name"] for trace in shape["data"]] == ["merged", "left out"]
    assert "by energy" in shape["meta"]["caption"]
    assert frame_layer_flow(cut) != frame_layer_flow(info())
    quiet = info(elects=False, word="", adds=False)
    assert "takes anything away" in check(draw_layer_flow(quiet))["meta"]["look"]

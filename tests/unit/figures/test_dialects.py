import numpy as np
import pytest

from merger.diagnostics.dialects import DialectsInfo
from tests.unit.figures.drawn import check, check_patch
from viz.figures.dialects import draw_dialects, frame_dialects, patch_dialects

NAN = float("nan")


def info(whole=(0.4, 0.0), by_layer=((0.0, 0.6), (0.0, 0.0)), notes=("", "")) -> DialectsInfo:
    return DialectsInfo(
        "TIES", "paper", ("mergekit", "peft"), ("trim",), (("global",), ("tensor",), ("tensor",)),
        np.array(whole), ("out", "0"), np.array(by_layer), notes,
    )  # fmt: skip


def test_a_line_per_dialect_with_a_gap_after_the_outside():
    shape = check(draw_dialects(info()))
    first = shape["data"][0]
    assert first["name"] == "mergekit" and first["y"] == [0.0, None, 0.6]
    assert first["customdata"] == ["mergekit, outside", "", "mergekit, layer 0"]
    assert shape["layout"]["yaxis"]["range"] == pytest.approx([-0.02, 1.05])
    assert shape["meta"]["look"] == (
        "mergekit differs from paper by 40.0%, most in layer 0 (60.0%). "
        "peft gives the same update as paper."
    )
    table = shape["meta"]["table"]
    assert table["columns"] == ["dialect", "difference", "trim", "outside", "layer 0"]
    assert table["rows"][0] == ["paper (chosen)", 0.0, "global", 0.0, 0.0]
    assert table["rows"][1] == ["mergekit", 0.4, "tensor", 0.0, 0.6]


def test_a_dialect_that_gives_no_merge_says_why():
    found = info((NAN, 0.1), ((NAN, NAN), (0.1, 0.1)), ("density is too large.", ""))
    look = check(draw_dialects(found))["meta"]["look"]
    assert "mergekit gives no merge here: density is too large." in look
    assert "peft differs from paper by 10.0%, most outside (10.0%)." in look


def test_a_merge_that_changes_nothing_still_draws():
    found = info((NAN, NAN), ((NAN, NAN), (NAN, NAN)))
    assert "changes nothing" in check(draw_dialects(found))["meta"]["look"]


def test_a_patch_moves_the_lines_and_a_larger_range_is_a_new_figure():
    check_patch(draw_dialects(info()), patch_dialects(info()))
    wider = info((0.4, 0.0), ((0.0, 1.6), (0.0, 0.0)))
    assert frame_dialects(info()) != frame_dialects(wider)

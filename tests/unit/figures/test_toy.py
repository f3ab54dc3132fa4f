import numpy as np
import pytest

from merger.diagnostics.toy import ToyFrame, ToyInfo
from merger.spec import METHODS
from tests.unit.diagnostics.test_toy import toy
from tests.unit.figures.drawn import check, check_patch
from viz.figures.toy import HEIGHT, TALL, draw_toy, frame_toy, patch_toy

MERGES = [m.name for m in METHODS.values() if m.stage == "merge"]


def frame(title: str, rows, **given) -> ToyFrame:
    made = {"together": False, "chain": False, "counts": 4, "size": 1.0, "words": "Done"}
    return ToyFrame(title, np.array(rows, float), **{**made, **given})


def info(last: float = 3.0) -> ToyInfo:
    frames = (
        frame("change", [[2, 1], [1, -1]]),
        frame("trim", [[2, 0], [0, -1]], counts=2, size=0.8),
        frame("tip to tail", [[2, 0], [0, -1]], chain=True),
        frame("merged", [[last, -1]], together=True, counts=2, size=1.2),
    )
    return ToyInfo("TIES", ("A", "B"), False, "weights", frames, "")


def test_arrows_start_at_the_base_and_chains_tip_to_tail():
    traces = {trace["name"]: trace for trace in check(draw_toy(info()))["data"]}
    assert traces["1 A"]["x"] == [0, 2] and traces["1 B"]["y"] == [0, -1]
    assert traces["3 B"]["x"] == [2, 2] and traces["3 B"]["y"] == [0, -1]
    assert traces["4 merged"]["x"] == [0, 3] and traces["4 A"]["x"] == []
    assert traces["4 merged"]["text"] == ["", "merged"]


def test_captions_say_what_happened_in_numbers():
    meta = check(draw_toy(info()))["meta"]
    assert "1: Done: A and B disagree in the sign of 1 of 2 weights." in meta["caption"]
    assert "2: Done: 2 of 4 weights are there, 0.80 times as long" in meta["caption"]
    assert meta["look"] == (
        "The merged model moves 120% as far as an expert does on average; of 4 weights the steps "
        "leave 2."
    )
    assert meta["table"]["rows"][-1] == ["4 merged", "merged", 3.0, -1.0]


def test_pictures_stand_in_one_row_or_two_by_two_where_it_is_narrow():
    shape = check(draw_toy(info()))
    narrow = shape["meta"]["narrow"]
    wide = [shape["layout"][f"xaxis{n}"]["domain"][0] for n in ("", 2, 3, 4)]
    assert wide == pytest.approx([0.015, 0.265, 0.515, 0.765])
    folded = [narrow["layout"][f"xaxis{n}"]["domain"][0] for n in ("", 2, 3, 4)]
    assert folded == pytest.approx([0.015, 0.515, 0.015, 0.515])
    assert narrow["layout"]["yaxis3"]["domain"][1] < narrow["layout"]["yaxis"]["domain"][0]
    assert shape["meta"]["height"] == HEIGHT and narrow["height"] == TALL


def test_a_patch_moves_arrows_and_longer_ones_need_new_axes():
    check_patch(draw_toy(info()), patch_toy(info(2.9)))
    assert frame_toy(info()) == frame_toy(info(2.9)) and frame_toy(info()) != frame_toy(info(9))


def test_a_matrix_is_an_ellipse_with_its_axes():
    shape = check(draw_toy(toy("tsv_m")))
    ellipse = shape["data"][0]
    reach = np.hypot(*(np.array(ellipse[axis][:49], float) for axis in "xy"))
    strengths = np.linalg.svd([[2.6, 0.9], [0.7, 0.6]], compute_uv=False)
    assert reach.max() == pytest.approx(strengths[0], rel=0.01)
    assert reach.min() == pytest.approx(strengths[1], rel=0.05)
    assert ellipse["x"][49] is None and ellipse["text"][-1] == "A"


@pytest.mark.parametrize("method", MERGES)
def test_every_method_draws(method: str):
    made = toy(method)
    shape = check(draw_toy(made))
    check_patch(draw_toy(made), patch_toy(made))
    for trace in shape["data"]:
        numbers = [v for axis in "xy" for v in trace[axis] if v is not None]
        limit = shape["layout"]["xaxis"]["range"][1]
        assert all(abs(v) <= limit for v in numbers)


def test_nothing_left_is_said():
    frames = (*info().frames[:1], frame("trim", [[0, 0], [0, 0]], counts=0, size=0.0))
    empty = ToyInfo("TIES", ("A", "B"), False, "weights", frames, "Without rules.")
    meta = check(draw_toy(empty))["meta"]
    assert "nothing is left of so small a toy" in meta["caption"]
    assert meta["caption"].endswith("Without rules.")

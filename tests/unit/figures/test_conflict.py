import numpy as np
import pytest

from merger.diagnostics.signs import measure_signs
from tests.stacks import random_stack, stack_of
from tests.unit.figures.drawn import check, check_patch
from viz.figures.conflict import draw_conflict, draw_pairs, patch_conflict, patch_pairs

AGREE = {"layers.0.mlp.up_proj.weight": np.ones(400)}
OPPOSE = {"layers.0.mlp.up_proj.weight": -np.ones(400)}


@pytest.mark.parametrize("by", ["mass", "count"])
def test_colour_is_the_distance_from_chance(by):
    info = measure_signs(random_stack(3, sparse=0.2))
    shape = check(draw_conflict(info, by))
    rate = info.cell_mass if by == "mass" else info.cells
    z = np.array(shape["data"][0]["z"], float)
    assert z == pytest.approx(rate.value - rate.null, nan_ok=True)
    assert shape["data"][0]["colorscale"] == "@diverging" and shape["data"][0]["reversescale"]
    assert shape["data"][0]["zmin"] == -shape["data"][0]["zmax"]


def test_a_click_on_a_cell_sends_the_largest_tensor_of_it():
    stack = stack_of([{"layers.0.norm1.weight": [1.0], "layers.0.norm2.weight": [1.0, 2.0]}])
    shape = check(draw_conflict(measure_signs(stack)))
    cell = shape["data"][0]["customdata"][0][0]
    assert cell[0] == "layers.0.norm2.weight" and shape["meta"]["clickable"]
    assert cell[-1] == "layers.0.norm2.weight and 1 more"


def test_cells_beyond_the_band_are_marked_and_named():
    shape = check(draw_conflict(measure_signs(stack_of([AGREE, OPPOSE]))))
    assert shape["data"][0]["text"] == [["100.0%\u2009▲"]]
    assert (
        "up in layer 0 stands out most: 100.0%, more than chance (50.0%" in (shape["meta"]["look"])
    )
    shape = check(draw_conflict(measure_signs(stack_of([AGREE, AGREE]))))
    assert shape["data"][0]["text"] == [["0.0%\u2009▼"]]
    assert (
        "No cell shows more conflict than random signs would; 1 of 1 show less."
        in (shape["meta"]["look"])
    )


def test_empty_cells_hold_nothing():
    shape = check(draw_conflict(measure_signs(random_stack(2))))
    layers = shape["layout"]["xaxis"]["ticktext"]
    embed = shape["layout"]["yaxis"]["ticktext"].index("embed")
    row = shape["data"][0]
    assert layers == ["out", "0", "1"]
    assert row["z"][embed][1] is None and row["customdata"][embed][1] is None
    assert row["text"][embed][1] == ""


def test_many_layers_get_few_labels_and_no_numbers():
    shapes = {f"layers.{i}.mlp.up_proj.weight": (4, 4) for i in range(40)}
    shape = check(draw_conflict(measure_signs(random_stack(2, {**shapes, "norm.weight": (4,)}))))
    ticks = shape["layout"]["xaxis"]["ticktext"]
    assert ticks[0] == "out" and len(ticks) <= 10
    places = dict(zip(shape["layout"]["xaxis"]["tickvals"], ticks, strict=True))
    assert all(label == "out" or int(label) == place - 1 for place, label in places.items())
    assert "text" not in shape["data"][0]


def test_pairs_are_marked_and_the_caption_names_the_worst():
    third = {"layers.0.mlp.up_proj.weight": np.tile([1.0, -1.0], 200)}
    info = measure_signs(stack_of([AGREE, OPPOSE, third]))
    shape = check(draw_pairs(info))
    assert shape["data"][0]["text"][0] == ["", "100%\u2009▲", "50%"]
    assert "e0 and e1 conflict most: 100.0%, more than chance" in shape["meta"]["look"]


def test_pairs_inside_chance_are_not_called_conflict():
    caption = draw_pairs(measure_signs(random_stack(2, shared=1.0))).meta["look"]
    assert "No pair conflicts more than chance; e0 and e1 come closest" in caption


def test_patches_fit_their_figures():
    stack = random_stack(3)
    info, turned = measure_signs(stack), measure_signs(stack, [1, -1, 1])
    check_patch(draw_conflict(info), patch_conflict(turned))
    check_patch(draw_pairs(info), patch_pairs(turned, "joint"))


def test_one_expert_and_no_change_still_draw():
    for stack in (random_stack(1), stack_of([{"w": [0.0]}, {"w": [0.0]}])):
        info = measure_signs(stack)
        check(draw_conflict(info))
        check(draw_pairs(info))


def test_a_sample_is_said_to_be_one():
    info = measure_signs(random_stack(2, {"w": (100, 64)}, sample=0.1))
    assert "Estimated from 10.00% of the weights." in draw_conflict(info).meta["caption"]
    assert "Estimated from 10.00% of the weights." in draw_pairs(info).meta["caption"]

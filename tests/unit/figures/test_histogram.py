import numpy as np

from merger.diagnostics.histogram import measure_histogram
from tests.stacks import random_stack, stack_of
from tests.unit.figures.drawn import check, check_patch
from viz.figures.histogram import draw_histogram, patch_histogram

UP = "layers.0.mlp.up_proj.weight"


def test_each_expert_has_a_line_over_the_shared_bins():
    info = measure_histogram(random_stack(3), UP)
    shape = check(draw_histogram(info, {"e1": "@expert-7"}))
    assert [t["name"] for t in shape["data"]] == ["e0", "e1", "e2"]
    assert shape["data"][1]["line"]["color"] == "@expert-7"
    assert len(shape["data"][0]["x"]) == 61 and abs(shape["data"][0]["x"][30]) < 1e-12
    total = sum(v or 0 for v in shape["data"][0]["y"])
    assert total == 1 - info.outside[0] / 128


def test_the_caption_gives_the_tensors_own_numbers():
    stack = stack_of([{"w": np.full((2, 200), 2.0)}, {"w": np.full((2, 200), -1.0)}])
    meta = check(draw_histogram(measure_histogram(stack, "w")))["meta"]
    caption = meta["look"]
    assert meta["caption"].startswith("w (2 × 200): how large the changes of each expert are")
    assert meta["key"] == "w"
    assert "e0 changed it most (‖τ‖ 40.000)" in caption
    assert "conflict is 100.0%, more than chance (50.0%" in caption


def test_a_patch_fits_and_odd_tensors_draw():
    stack = random_stack(2)
    check_patch(
        draw_histogram(measure_histogram(stack, UP)),
        patch_histogram(measure_histogram(stack, UP, [1.0, 0.0])),
    )
    untouched = check(draw_histogram(measure_histogram(stack_of([{"w": [0.0]}]), "w")))
    assert "No expert changed it." in untouched["meta"]["look"]
    check(
        draw_histogram(
            measure_histogram(stack_of([{"logit_scale": np.float32(0.5)}]), "logit_scale")
        )
    )

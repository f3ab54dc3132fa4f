import numpy as np
import pytest

from merger.diagnostics.norms import measure_norms, with_merged
from tests.stacks import random_stack, stack_of
from tests.unit.figures.drawn import check, check_patch
from viz.figures.norms import MERGED, draw_norms, patch_norms

BASE = {"layers.0.mlp.up_proj.weight": [6.0, 0.0], "norm.weight": [8.0]}
TINY = [
    {"layers.0.mlp.up_proj.weight": [3.0, 0.0], "norm.weight": [4.0]},
    {"layers.0.mlp.up_proj.weight": [0.0, 1.2], "norm.weight": [0.0]},
]


def test_lines_are_relative_to_the_base_and_leave_a_gap_after_the_outside():
    shape = check(draw_norms(measure_norms(stack_of(TINY, BASE))))
    first = shape["data"][0]
    assert first["y"] == [0.5, None, 0.5] and first["x"] == [0.0, None, 1.0]
    assert first["customdata"][0] == "e0, outside: 4.000"
    assert shape["data"][2]["name"] == MERGED and shape["data"][2]["y"] == [None, None, None]
    caption = shape["meta"]["look"]
    assert "e0 moved furthest (50.0% of the base), e1 least (12.0%)." in caption


def test_the_merged_model_is_dashed_and_compared_with_the_mean():
    stack = stack_of(TINY, BASE)
    info = with_merged(measure_norms(stack), stack, stack.base + np.array([3, 0, 4], np.float32))
    shape = check(draw_norms(info, {"e0": "@expert-5"}))
    assert shape["data"][0]["line"]["color"] == "@expert-5"
    assert shape["data"][2]["line"]["dash"] == "dash"
    assert shape["data"][2]["y"] == pytest.approx([0.5, None, 0.5])
    assert "the merged model moves 1.61 times as far" in shape["meta"]["look"]


def test_a_patch_moves_the_merged_line():
    stack = random_stack(2)
    stack.base[:] = 1.0
    info = measure_norms(stack)
    patch = patch_norms(with_merged(info, stack, stack.base * 2))
    check_patch(draw_norms(info), patch)
    assert patch["traces"][MERGED]["y"] == pytest.approx([1.0, None, 1.0, 1.0])


def test_an_expert_may_be_called_like_the_merged_line():
    stack = stack_of(TINY, BASE)
    named = type(stack)(stack.base, stack.tau, (MERGED, "x"), stack.slots)
    check(draw_norms(measure_norms(named)))


def test_a_base_of_zeros_still_draws():
    check(draw_norms(measure_norms(random_stack(1))))

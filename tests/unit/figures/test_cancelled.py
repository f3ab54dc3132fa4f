import numpy as np

from merger.diagnostics.cancelled import CancelledMeter
from tests.stacks import random_stack, stack_of
from tests.unit.figures.drawn import check, check_patch
from viz.figures.cancelled import draw_cancelled, patch_cancelled


def test_the_caption_gives_the_mass_of_the_whole_model_against_chance():
    stack = stack_of([{"w": np.ones(400)}, {"w": np.ones(400)}])
    shape = check(draw_cancelled(CancelledMeter(stack).measure()))
    assert "Whole model: 0.0%, less than chance (50.0%" in shape["meta"]["look"]
    assert shape["data"][0]["text"] == [["0.0%\u2009▼"]]


def test_a_slider_moves_numbers_and_words():
    stack = stack_of([{"w": np.ones(400)}, {"w": -np.ones(400)}])
    meter = CancelledMeter(stack)
    figure = draw_cancelled(meter.measure())
    patch = patch_cancelled(meter.measure([1.0, 0.0]))
    check_patch(figure, patch)
    assert figure.data[0]["text"] == [["100.0%\u2009▲"]]
    assert patch["traces"]["cells"]["text"] == [["0.0%"]]


def test_no_weights_have_nothing_to_cancel():
    shape = check(draw_cancelled(CancelledMeter(random_stack(2)).measure([0.0, 0.0])))
    assert "There is nothing to compare" in shape["meta"]["look"]

import numpy as np

from merger.diagnostics.overlap import SupportMeter
from tests.stacks import random_stack, stack_of
from tests.unit.figures.drawn import check, check_patch
from viz.figures.overlap import draw_overlap, patch_overlap

SAME = {"w": np.arange(100.0)}
OTHER = {"w": np.arange(100.0)[::-1].copy()}


def test_cells_show_the_overlap_and_mark_what_is_beyond_chance():
    shape = check(draw_overlap(SupportMeter(stack_of([SAME, SAME, OTHER])).measure(0.2)))
    assert shape["data"][0]["text"][0] == ["", "100%\u2009▲", "0%\u2009▼"]
    assert shape["meta"]["caption"].startswith("Take the 20% of the model that every expert")
    assert "e0 and e1 share most: 100.0%, more than chance (11." in shape["meta"]["look"]


def test_the_share_slider_moves_cells_and_words():
    meter = SupportMeter(random_stack(3))
    patch = patch_overlap(meter.measure(0.055))
    check_patch(draw_overlap(meter.measure(0.2)), patch)
    assert patch["meta"]["caption"].startswith("Take the 5.5% of the model")


def test_per_tensor_supports_are_described_as_such():
    caption = draw_overlap(SupportMeter(random_stack(2), "tensor").measure(0.2)).meta["caption"]
    assert caption.startswith("Take the 20% of each tensor")


def test_nothing_to_overlap_still_draws():
    check(draw_overlap(SupportMeter(random_stack(1)).measure()))
    check(draw_overlap(SupportMeter(random_stack(2)).measure(0.0)))

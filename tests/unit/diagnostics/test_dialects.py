import numpy as np
import pytest

from merger.diagnostics.dialects import measure_dialects
from tests.stacks import stack_of

BASE = {"layers.0.mlp.up_proj.weight": [6.0, 0.0], "norm.weight": [8.0]}
EXPERTS = [{"layers.0.mlp.up_proj.weight": [3.0, 0.0], "norm.weight": [4.0]}]


def moved(stack, *by: float) -> np.ndarray:
    return stack.base + np.array(by, np.float32)


def test_differences_are_shares_of_the_chosen_update():
    stack = stack_of(EXPERTS, BASE)
    others = {"mergekit": moved(stack, 3, 2, 4), "peft": moved(stack, 3, 0, 4)}
    info = measure_dialects(stack, "TIES", ("paper", moved(stack, 3, 0, 4)), others)
    assert info.dialects == ("mergekit", "peft") and info.chosen == "paper"
    assert info.whole.tolist() == pytest.approx([0.4, 0.0])
    assert info.layers == ("out", "0")
    assert info.by_layer.tolist() == [[0.0, pytest.approx(2 / 3)], [0.0, 0.0]]
    assert info.notes == ("", "") and info.settings == () and info.values == ()


def test_a_dialect_without_a_merge_says_why_and_settings_stay_in_order():
    stack = stack_of(EXPERTS, BASE)
    settings = {"trim": ("global", "tensor"), "tie": ("majority", "plus")}
    others = {"mergekit": "density is too large."}
    chosen = ("paper", moved(stack, 3, 0, 4))
    info = measure_dialects(stack, "DELLA", chosen, others, settings)
    assert np.isnan(info.whole).all() and info.notes == ("density is too large.",)
    assert info.settings == ("trim", "tie")
    assert info.values == (("global", "majority"), ("tensor", "plus"))


def test_nothing_is_compared_with_a_merge_that_changes_nothing():
    stack = stack_of(EXPERTS, BASE)
    others = {"mergekit": moved(stack, 0, 0, 1)}
    info = measure_dialects(stack, "TIES", ("paper", stack.base), others)
    assert np.isnan(info.whole).all() and np.isnan(info.by_layer).all()

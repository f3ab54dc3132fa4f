import numpy as np
import pytest

from merger.diagnostics.cosine import gram_by_slot
from merger.diagnostics.norms import measure_norms, with_merged, with_weighted_sum
from tests.stacks import random_stack, stack_of

TINY = [
    {"layers.0.mlp.up_proj.weight": [3.0, 0.0], "norm.weight": [4.0]},
    {"layers.0.mlp.up_proj.weight": [0.0, 1.0], "norm.weight": [0.0]},
]
BASE = {"layers.0.mlp.up_proj.weight": [6.0, 0.0], "norm.weight": [8.0]}


def test_norms_by_hand():
    info = measure_norms(stack_of(TINY, BASE))
    assert info.norms.tolist() == [5.0, 1.0]
    assert info.base_norm == 10.0
    assert info.layers == ("out", "0")
    assert info.by_layer.tolist() == [[4.0, 3.0], [0.0, 1.0]]
    assert info.base_by_layer.tolist() == [8.0, 6.0]
    assert info.relative.tolist() == [0.5, 0.1]
    assert info.mean == 3.0 and np.isnan(info.merged) and np.isnan(info.merged_share)


def test_merged_norm_by_hand():
    stack = stack_of(TINY, BASE)
    info = with_merged(measure_norms(stack), stack, stack.base + np.array([0, 3, 4], np.float32))
    assert info.merged == 5.0
    assert info.merged_by_layer.tolist() == [4.0, 3.0]
    assert info.merged_share == pytest.approx(5 / 3)


def test_weighted_sum_needs_only_the_inner_products():
    stack = random_stack(3)
    info = measure_norms(stack)
    weights = np.array([0.5, -1.0, 2.0])
    merged = stack.base + (weights.astype(np.float32) @ stack.tau)
    full = with_merged(info, stack, merged)
    quick = with_weighted_sum(info, stack, gram_by_slot(stack), list(weights))
    assert quick.merged == pytest.approx(full.merged, rel=1e-5)
    assert quick.merged_by_layer == pytest.approx(full.merged_by_layer, rel=1e-5)


def test_sampled_norms_are_scaled_to_the_model():
    shapes = {"layers.0.mlp.up_proj.weight": (400, 64), "norm.weight": (10,)}
    exact = measure_norms(random_stack(1, shapes)).norms[0]
    assert measure_norms(random_stack(1, shapes, sample=0.1)).norms[0] == pytest.approx(
        exact, rel=0.05
    )

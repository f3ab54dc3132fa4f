import numpy as np
import pytest

from merger.diagnostics.cancelled import measure_cancelled
from merger.diagnostics.histogram import measure_histogram
from merger.errors import FeedError
from tests.stacks import random_stack, stack_of


def test_numbers_of_one_tensor_by_hand():
    stack = stack_of([{"a": [[3.0, 4.0]], "b": [9.0]}, {"a": [[-3.0, 0.0]], "b": [1.0]}])
    info = measure_histogram(stack, "a", bins=3)
    assert info.shape == (1, 2)
    assert info.norms.tolist() == [5.0, 3.0]
    assert info.cosine[0, 1] == pytest.approx(-0.6)
    assert info.conflict.value == 0.5 and info.conflict.null == 0.25
    assert info.cancelled.value == pytest.approx(1 - 4 / 10)
    assert info.zeros.tolist() == [0, 1]
    assert info.quantiles[:, 2].tolist() == [3.5, -1.5]


def test_bins_are_symmetric_shared_and_one_is_centred_on_zero():
    info = measure_histogram(random_stack(3), "layers.0.mlp.up_proj.weight")
    assert len(info.edges) == 62
    assert np.array_equal(info.edges, -info.edges[::-1])
    assert info.counts.shape == (3, 61)
    assert (info.counts.sum(1) + info.outside == 128).all()


def test_even_bins_meet_at_zero():
    info = measure_histogram(random_stack(1), "norm.weight", bins=4)
    assert info.edges[2] == 0.0 and len(info.edges) == 5
    assert np.array_equal(info.edges, -info.edges[::-1])


def test_a_tensor_that_nobody_changed_still_has_bins():
    info = measure_histogram(stack_of([{"a": [0.0, 0.0]}]), "a")
    assert info.counts[0, 30] == 2 and info.outside[0] == 0


def test_weights_reach_cancelled_mass():
    stack = random_stack(2)
    info = measure_histogram(stack, "norm.weight", [1.0, 0.0])
    assert info.cancelled.value == pytest.approx(0.0, abs=1e-6)
    assert info.cancelled == measure_cancelled(stack.only("norm.weight"), [1.0, 0.0]).mass


def test_an_unknown_tensor_is_named():
    with pytest.raises(FeedError, match="nope is not among"):
        measure_histogram(random_stack(1), "nope")

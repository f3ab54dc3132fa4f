import numpy as np
import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.errors import AlignmentError, FeedError
from merger.stack import RUN, draw_runs, stack_experts
from tests.stacks import random_stack, stack_of

LONG = {"layers.0.mlp.up_proj.weight": (70, 64), "norm.weight": (10,)}


def test_task_vectors_are_expert_minus_base_in_float32():
    base = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[0.5]], dtype=torch.bfloat16)}
    expert = {"b": torch.tensor([1.5, 1.0]), "a": torch.tensor([[0.25]], dtype=torch.bfloat16)}
    stack = stack_experts(MemoryCheckpoint(base), [MemoryCheckpoint(expert)], ["x"])
    assert stack.base.tolist() == [0.5, 1.0, 2.0]
    assert stack.tau.tolist() == [[-0.25, 0.5, -1.0]]
    assert stack.tau.dtype == np.float32
    assert [(s.key, s.shape, s.start, s.stop, s.dtype) for s in stack.slots] == [
        ("a", (1, 1), 0, 1, "BF16"),
        ("b", (2,), 1, 3, "F32"),
    ]


def test_only_floats_that_every_model_has_are_compared():
    base = {"w": torch.zeros(2), "ids": torch.arange(3), "gone": torch.zeros(1)}
    expert = {"w": torch.ones(2), "ids": torch.arange(3), "extra": torch.zeros(4)}
    stack = stack_experts(MemoryCheckpoint(base), [MemoryCheckpoint(expert)], ["x"])
    assert [s.key for s in stack.slots] == ["w"]


def test_slots_know_layer_depth_and_module():
    stack = random_stack(1)
    found = {s.key: (s.layer, s.depth, s.module) for s in stack.slots}
    assert found["layers.1.mlp.up_proj.weight"] == (1, 1.0, "up")
    assert found["layers.0.attn.q_proj.weight"] == (0, 0.0, "q")
    assert found["embed.weight"] == (None, 0.0, "embed")


def test_a_sample_does_not_depend_on_the_order_or_number_of_tensors():
    values = np.arange(64 * 70, dtype=np.float32)
    many = stack_of([{"a": values[:500], "w": values, "z": values}], sample=0.1)
    alone = stack_of([{"w": values}], sample=0.1)
    one = many.only("w")
    assert one.tau.shape[1] == 7 * RUN
    assert np.array_equal(one.tau, alone.tau)
    assert not np.array_equal(many.only("z").tau, alone.tau)


def test_a_sample_takes_whole_runs_at_the_drawn_places():
    values = np.arange(64 * 70 + 5, dtype=np.float32)
    stack = stack_of([{"w": values}], sample=0.2, seed=3)
    runs = draw_runs(len(values), 0.2, 3, "w")
    assert runs is not None
    places = np.concatenate([np.arange(r * RUN, min((r + 1) * RUN, len(values))) for r in runs])
    assert np.array_equal(stack.tau[0], values[places])
    assert stack.expand[0] == len(values) / len(places)
    assert len(stack.runs) == len(runs)


def test_the_short_last_run_can_be_drawn():
    values = np.arange(64 * 3 + 5, dtype=np.float32)
    drawn = [stack_of([{"w": values}], sample=0.5, seed=s) for s in range(8)]
    assert any(s.tau[0, -1] == len(values) - 1 and s.tau.shape[1] == 69 for s in drawn)


def test_small_tensors_are_taken_whole():
    stack = random_stack(1, LONG, sample=0.1)
    slot = stack.slot("norm.weight")
    assert slot.stop - slot.start == 10


def test_a_sample_of_everything_is_no_sample():
    assert random_stack(1, LONG, sample=1.0).sample is None


def test_one_tensor_of_a_stack_shares_its_numbers():
    stack = random_stack(2)
    one = stack.only("norm.weight")
    slot = stack.slot("norm.weight")
    assert np.shares_memory(one.tau, stack.tau)
    assert np.array_equal(one.tau, stack.tau[:, slot.start : slot.stop])
    assert (one.slots[0].start, one.slots[0].stop) == (0, 8)


def test_a_stack_over_the_budget_is_refused_with_a_way_out():
    with pytest.raises(FeedError, match="Measure a sample instead"):
        random_stack(2, max_bytes=100)


def test_experts_of_another_shape_are_refused_by_name():
    base = MemoryCheckpoint({"w": torch.zeros(2)}, "base")
    other = MemoryCheckpoint({"w": torch.zeros(3)}, "other")
    with pytest.raises(AlignmentError, match=r"other doesn't fit base: w is \(2,\) there"):
        stack_experts(base, [other], ["x"])


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(FeedError, match="w holds NaN or infinity"):
        stack_of([{"w": [1.0, float("nan")]}])


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_sample_is_a_share(share):
    with pytest.raises(FeedError, match="sample must be a share"):
        random_stack(1, sample=share)

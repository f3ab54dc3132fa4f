"""A batch norm's running statistics are averaged, whatever a method does to the weights."""

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.flat import FlatInputs, merge_flat
from merger.memory import merge_tensors
from merger.places import is_running_statistic
from merger.plan import plan
from merger.recipe import Expert, Recipe
from merger.stack import stack_experts

NAMES = ("a", "b")


def family():
    base = {
        "bn.weight": torch.ones(3),
        "bn.running_mean": torch.zeros(3),
        "bn.running_var": torch.full((3,), 4.0),
    }
    a = {
        "bn.weight": torch.full((3,), 2.0),
        "bn.running_mean": torch.tensor([1.0, 2.0, 3.0]),
        "bn.running_var": torch.full((3,), 1.0),
    }
    b = {
        "bn.weight": torch.full((3,), 3.0),
        "bn.running_mean": torch.tensor([3.0, 2.0, 1.0]),
        "bn.running_var": torch.full((3,), 2.0),
    }
    return base, [a, b]


def test_only_the_running_numbers_are_statistics():
    assert is_running_statistic("layer1.0.bn1.running_var")
    assert is_running_statistic("running_mean")
    assert not is_running_statistic("bn.weight")
    assert not is_running_statistic("running_mean_head.weight")


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_a_sum_of_changes_leaves_a_variance_a_variance(scale):
    base, experts = family()
    found = merge_tensors("task_arithmetic", experts, base, params={"scale": scale})
    # Task arithmetic would give 4 + scale * (-3 - 2): below zero at scale 1.
    assert found["bn.running_var"].tolist() == [1.5, 1.5, 1.5]
    assert found["bn.running_mean"].tolist() == [2.0, 2.0, 2.0]
    assert found["bn.weight"].tolist() == [1.0 + scale * 3.0] * 3


def test_a_verb_afterwards_does_not_touch_them():
    base, experts = family()
    after = [{"lines": {"alpha": 0.5, "beta": 0.0}}]
    found = merge_tensors("average", experts, base, after=after)
    assert found["bn.running_var"].tolist() == [1.5, 1.5, 1.5]
    assert found["bn.weight"].tolist() == [1.75, 1.75, 1.75]


def test_the_preview_averages_them_too():
    base, experts = family()
    start = MemoryCheckpoint(base, "base")
    models = [MemoryCheckpoint(e, n) for e, n in zip(experts, NAMES, strict=True)]
    recipe = Recipe("ties", tuple(Expert(f"m:{n}", n) for n in NAMES), "m:base")
    stack = stack_experts(start, models, NAMES)
    flat = merge_flat(plan(recipe, start, models), FlatInputs(stack, models))
    wanted = merge_tensors("ties", experts, base, names=NAMES)
    for slot in stack.slots:
        assert torch.equal(flat[slot.start : slot.stop], wanted[slot.key])


def test_a_rule_may_still_take_them_from_one_model():
    base, experts = family()
    rules = [{"match": "*running*", "take": "base"}]
    found = merge_tensors("average", experts, base, rules=rules)
    assert found["bn.running_var"].tolist() == [4.0, 4.0, 4.0]

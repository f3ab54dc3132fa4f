"""Variance-corrected averaging: the spread comes back, the mean stays."""

import math

import pytest
import torch

from merger.memory import merge_tensors
from tests.unit.methods.vectors import TAU, check, merged


def test_the_mean_of_three_spread_out_again():
    found = merged("variance_corrected", params={"epsilon": 0.0})
    check(found, [[-0.438582, 0.19332, 2.194341], [-0.227948, 1.773073, -2.86087]])


def test_the_spread_is_the_one_that_is_followed():
    variances = [torch.tensor(tau).var().item() for tau in TAU]
    others = sum(variances) / 3
    for follow, wanted in {
        "others": others,
        "self": variances[0],
        "both": 0.25 * variances[0] + 0.75 * others,
    }.items():
        params = {"follow": follow, "own": 0.25, "epsilon": 0.0}
        found = merged("variance_corrected", params=params)
        assert found.var().item() == pytest.approx(wanted, rel=1e-5)
        assert found.mean().item() == pytest.approx(torch.tensor(TAU).mean().item(), abs=1e-6)


def test_the_papers_epsilon_undoes_most_of_it_at_the_size_of_transformers():
    generator = torch.Generator().manual_seed(0)
    experts = [{"w": 0.02 * torch.randn(20_000, generator=generator)} for _ in range(8)]

    def spread(epsilon: float) -> float:
        found = merge_tensors("variance_corrected", experts, None, {"epsilon": epsilon})["w"]
        return found.var().item() / 0.0004

    assert spread(1e-12) == pytest.approx(1.0, abs=0.02)
    assert spread(1e-4) == pytest.approx(0.42, abs=0.02)


def test_one_number_is_averaged_or_the_first_one():
    numbers = [torch.tensor(2.0), torch.tensor(4.0)]
    assert merged("variance_corrected", numbers).item() == 3
    assert merged("variance_corrected", numbers, params={"follow": "self"}).item() == 2
    assert merged("variance_corrected", [torch.tensor([2.0]), torch.tensor([4.0])]).item() == 3


def test_experts_that_cancel_leave_no_spread_to_restore():
    tau = torch.tensor([1.0, -2.0, 4.0])
    found = merged("variance_corrected", [tau, -tau], params={"epsilon": 0.0})
    assert found.tolist() == [0, 0, 0]


def test_among_task_vectors_the_base_has_no_say():
    base = {"w": torch.full((2, 3), 100.0)}
    experts = [{"w": base["w"] + torch.tensor(tau)} for tau in TAU]
    params = {"space": "task_vectors", "epsilon": 0.0}
    found = merge_tensors("variance_corrected", experts, base, params)["w"] - 100
    check(found, merged("variance_corrected", params={"epsilon": 0.0}), 1e-4)
    assert torch.equal(
        merge_tensors("variance_corrected", [base, base], base, params)["w"], base["w"]
    )


def test_statistics_of_a_running_kind_keep_their_spread_positive():
    variances = [torch.tensor([1.0, 4.0, 9.0]), torch.tensor([9.0, 4.0, 1.0])]
    experts = [{"bn.running_var": v} for v in variances]
    found = merge_tensors("variance_corrected", experts)["bn.running_var"]
    assert found.tolist() == [5, 4, 5]
    assert math.isfinite(found.sum().item())

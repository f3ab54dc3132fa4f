"""Breadcrumbs: what is left between outliers and noise, by row and by tensor."""

import pytest
import torch

from merger.memory import merge_tensors
from tests.unit.methods.test_hand_computed import check, merged


def test_outliers_and_noise_of_a_row_are_left_out():
    params = {"density": 1 / 3, "gamma": 1 / 3, "scale": 1.0}
    check(merged("breadcrumbs", params=params), [[0, 0.4, 0], [0.5, 0, -1.3]])


def trimmed(tau, name: str = "breadcrumbs", **params) -> torch.Tensor:
    stack = [{"w": torch.tensor(t)} for t in tau]
    base = {"w": torch.zeros_like(stack[0]["w"])}
    return merge_tensors(name, stack, base, {"scale": 1.0, **params})["w"]


def test_the_largest_go_and_the_next_stay_in_each_row():
    rows = [[5.0, -1.0, 4.0, 0.2, -3.0], [0.1, 0.2, -0.3, 0.4, 0.5]]
    found = trimmed([rows], density=0.4, gamma=0.2)
    expected = [[0, 0, 4, 0, -3], [0, 0, -0.3, 0.4, 0]]
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("n", [4, 10, 57, 400])
@pytest.mark.parametrize("density", [0.0, 0.003, 0.29, 0.5, 0.995, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.3, 1.0])
def test_exactly_as_many_stay_as_the_shares_say(n, density, gamma):
    tau = torch.randn(n, generator=torch.Generator().manual_seed(n)).tolist()
    top, count = int(gamma * n), int(density * n)
    by_row = min(n - top, max(1, count) if density else 0)
    assert torch.count_nonzero(trimmed([tau], density=density, gamma=gamma)) == by_row
    whole = trimmed([tau], density=density, gamma=gamma, trim="tensor")
    assert torch.count_nonzero(whole) == count


def test_by_tensor_places_are_those_of_mergekit():
    tau = torch.arange(1.0, 11.0)
    for density, gamma in ((0.5, 0.2), (0.9, 0.3), (0.3, 0.05), (0.05, 0.1)):
        n, k, top = 10, int(density * 10), int(gamma * 10)
        first = max(0, n - k - top)
        expected = torch.zeros(10)
        expected[first : first + k] = tau[first : first + k]
        found = trimmed([tau.tolist()], density=density, gamma=gamma, trim="tensor")
        assert torch.equal(found, expected)


def test_nothing_removed_is_task_arithmetic_and_no_share_removed_is_a_trim_by_row():
    tau = [[[3.0, -1.0, 2.0], [0.5, 0.0, 7.0]], [[1.0, 1.5, -4.0], [2.0, -9.0, 0.25]]]
    summed = torch.tensor(tau[0]) + torch.tensor(tau[1])
    assert torch.equal(trimmed(tau, density=1.0, gamma=0.0), summed)
    found = trimmed(tau, density=0.34, gamma=0.0)
    assert found.tolist() == [[3, 0, -4], [0, -9, 7]]


def test_a_kernel_row_is_one_output_channel():
    tau = torch.arange(1.0, 19.0).reshape(2, 1, 3, 3)
    found = trimmed([tau.tolist()], density=0.2, gamma=0.12)
    assert torch.nonzero(found.reshape(2, 9)).tolist() == [[0, 7], [1, 7]]


def test_a_single_number_stays_and_shares_may_differ_between_experts():
    assert trimmed([4.0], density=0.2, gamma=0.5).item() == 4.0
    tau = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]] * 2
    found = trimmed(tau, density=(0.7, 0.3), gamma=0.0)
    assert found.tolist() == [0, 0, 0, 4, 5, 6, 7, 16, 18, 20]


def test_with_election_only_what_agrees_is_added():
    tau = [[4.0, 3.0, -2.0, 0.1], [-1.0, 5.0, 2.5, 0.2]]
    found = trimmed(tau, "breadcrumbs_ties", density=0.75, gamma=0.0)
    torch.testing.assert_close(found, torch.tensor([4.0, 8.0, 2.5, 0.0]))
    found = trimmed(tau, "breadcrumbs_ties", density=0.75, gamma=0.0, combine="mean")
    torch.testing.assert_close(found, torch.tensor([4.0, 4.0, 2.5, 0.0]))

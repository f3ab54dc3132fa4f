"""What PEFT's dialect does differently, computed by hand."""

import pytest
import torch

from merger.memory import merge_tensors

BASE = {"w": torch.zeros(4)}
TAUS = [[3.0, 1.0, 0.5, -2.0], [-2.0, 1.0, -0.4, -1.0], [-2.0, 4.0, 0.1, 3.0]]


def merged(method: str, weights=None, **params) -> list[float]:
    experts = [{"w": torch.tensor(tau)} for tau in TAUS]
    return merge_tensors(method, experts, BASE, params, weights)["w"].tolist()


def test_peft_elects_without_coefficients_and_applies_them_afterwards():
    params = {"density": 1.0, "dialect": "peft"}
    # Signs of 3 - 2 - 2, 1 + 1 + 4, 0.5 - 0.4 + 0.1 and -2 - 1 + 3, a tie that counts as plus.
    assert merged("ties", (2.0, 1.0, -1.0), **params) == pytest.approx([
        (-2.0 + 2.0) / 2, (2.0 + 1.0 - 4.0) / 3, (1.0 - 0.1) / 2, -3.0,
    ])  # fmt: skip
    # With coefficients in the election the first entry goes the other way.
    weighted = merged("ties", (2.0, 1.0, -1.0), density=1.0, trim="tensor", tie="plus")
    assert weighted[0] == (6.0 + 2.0) / 2


def test_without_coefficients_both_elections_are_the_same():
    for method in ("ties", "dare_ties"):
        assert merged(method, ballots="equal") == merged(method)


def test_peft_adds_up_without_a_factor_of_its_own():
    assert merged("task_arithmetic", dialect="peft") == merged("task_arithmetic", scale=1.0)
    assert merged("dare_linear", dialect="peft") == merged("dare_linear", scale=1.0)


def test_magnitude_pruning_keeps_the_largest_of_each_tensor_and_adds_up():
    assert merged("magnitude_prune", density=0.5) == [1.0, 1.0 + 4.0, 0.0, -2.0 + 3.0]

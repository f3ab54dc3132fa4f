"""Arcee Fusion: which changes stand out."""

import math

import pytest
import torch

from merger.memory import merge_tensors


def importance(expert: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """Return the importance as the definition says, row by row in plain Python."""
    found = []
    for ours, theirs in zip(expert.tolist(), base.tolist(), strict=True):
        p, q = (
            [math.exp(x) / sum(map(math.exp, row)) + 1e-8 for x in row] for row in (ours, theirs)
        )
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        found.append([abs(x - y) * divergence for x, y in zip(ours, theirs, strict=True)])
    return torch.tensor(found, dtype=torch.float64)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    base = torch.randn(7, 11, generator=generator)
    return base, base + 0.5 * torch.randn(7, 11, generator=generator) ** 3


def fused(base: torch.Tensor, expert: torch.Tensor, **params) -> torch.Tensor:
    return merge_tensors("arcee_fusion", [{"w": expert}], {"w": base}, params)["w"]


def test_what_stands_out_is_the_experts_and_the_rest_the_bases(pair):
    base, expert = pair
    scores = importance(expert, base)
    ordered = scores.flatten().sort().values
    low, middle, high = (ordered[int(q * 76)] for q in (0.25, 0.5, 0.75))
    stands_out = scores >= middle + 1.5 * (high - low)
    assert 3 < stands_out.sum() < 30
    assert torch.equal(fused(base, expert), torch.where(stands_out, expert, base))


def test_the_scale_multiplies_what_is_taken_over(pair):
    base, expert = pair
    whole, half = fused(base, expert), fused(base, expert, scale=0.5)
    torch.testing.assert_close(half, base + (whole - base) / 2)


def test_the_order_of_the_two_matters(pair):
    base, expert = pair
    there = fused(base, expert) != base
    back = fused(expert, base) != expert
    assert not torch.equal(there, back)


def test_small_changes_are_told_apart():
    # In single precision the divergence of such rows is nothing but rounding.
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(30, 64, generator=generator)
    expert = base + 1e-4 * torch.randn(30, 64, generator=generator)
    scores = importance(expert, base)
    ordered = scores.flatten().sort().values
    low, middle, high = (ordered[int(q * 1919)] for q in (0.25, 0.5, 0.75))
    expected = scores >= middle + 1.5 * (high - low)
    assert torch.equal(fused(base, expert) != base, expected & (expert != base))


def test_a_row_of_one_number_has_no_distribution_and_is_the_experts():
    assert fused(torch.tensor(1.0), torch.tensor(2.0)).item() == 2
    assert fused(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [1.0]])).tolist() == [[2], [1]]


def test_a_vector_is_one_row_however_long():
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(40_000, generator=generator)
    expert = base + 0.1 * torch.randn(40_000, generator=generator)
    share = (fused(base, expert) != base).float().mean().item()
    # Of normal magnitudes those beyond median + 1.5 quartile distances.
    assert share == pytest.approx(0.0558, abs=0.01)

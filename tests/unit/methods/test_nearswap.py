"""NearSwap: how far entries move."""

import torch

from tests.unit.methods.vectors import merged

TAU = [[0.5, -0.5, 0.125, 0.0]]


def test_no_entry_moves_further_than_allowed():
    assert merged("nearswap", [TAU], params={"t": 0.25}).tolist() == [[0.25, -0.25, 0.125, 0.0]]


def test_nothing_allowed_is_the_base_and_everything_the_expert():
    assert merged("nearswap", [TAU], params={"t": 0.0}).tolist() == [[0.0] * 4]
    assert merged("nearswap", [TAU], params={"t": 0.5}).tolist() == TAU


def test_it_gives_what_the_formula_in_shares_gives():
    generator = torch.Generator().manual_seed(0)
    tau = torch.randn(200, generator=generator)
    share = (0.3 / tau.abs().clamp(min=1e-6)).clamp(0, 1)
    torch.testing.assert_close(merged("nearswap", [tau], params={"t": 0.3}), share * tau)

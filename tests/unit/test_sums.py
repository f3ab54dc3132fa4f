"""Long sums, by hand and against torch's double precision."""

import pytest
import torch

from merger.sums import l1, moments, row_products


def test_sums_of_magnitudes_are_exact_over_long_tensors():
    assert l1(torch.full((100_003,), -0.1)) == pytest.approx(100_003 * float(torch.tensor(0.1)))


def test_moments_are_mean_and_unbiased_variance():
    assert moments(torch.tensor([[1.0, 2.0], [3.0, 6.0]])) == (3.0, 14 / 3)
    assert moments(torch.tensor(4.0)) == (4.0, 0.0)
    assert moments(torch.empty(0)) == (0.0, 0.0)
    # A spread of 1e-4 around 1 is not lost.
    values = 1.0 + 1e-4 * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    mean_, variance = moments(values)
    assert mean_ == pytest.approx(values.double().mean().item(), rel=1e-12)
    assert variance == pytest.approx(values.double().var().item(), rel=1e-9)


@pytest.mark.parametrize("shape", [(3, 5), (7, 1), (1, 70_000), (300, 400)])
def test_products_of_rows_do_not_depend_on_other_rows(shape):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for _ in range(2))
    found = row_products(a, b)
    torch.testing.assert_close(found, (a.double() * b.double()).sum(1), rtol=1e-12, atol=1e-9)
    assert torch.equal(found[-1:], row_products(a[-1:], b[-1:]))
    torch.testing.assert_close(row_products(a.T.contiguous().T, b), found, rtol=1e-12, atol=1e-9)

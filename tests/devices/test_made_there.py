"""What a device makes by itself is what main memory would have made: draws, sums, cuts."""

import numpy as np
import pytest
import torch

from merger import algebra, sums
from merger.algebra import parts
from merger.devices import draws
from merger.devices.draws import uniforms_on
from merger.masks import largest
from merger.randomness import uniforms
from merger.sums import l1, row_products, sum_of_squares
from tests.devices.far import NAME, Far

KEYS = (7, 0, (1 << 64) - 3)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("counts", [1, 5, 64, 1 << 19])
@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (0, 100), (33, 50), (5, 5), (1000, 9000), (1 << 40, (1 << 40) + 77)],
)
def test_draws_are_those_of_main_memory(start, stop, counts, monkeypatch) -> None:
    monkeypatch.setattr(draws, "COUNTS", counts)
    found = uniforms_on(NAME, KEYS, start, stop)
    assert isinstance(found, Far)
    expected = [uniforms(key, start, stop) for key in KEYS]
    assert np.array_equal(found.cpu().numpy(), np.stack(expected))


@pytest.mark.parametrize("length", [0, 1, 100, 128, 1000, 70_000])
def test_sums_differ_in_their_last_bits_at_most(length, monkeypatch) -> None:
    monkeypatch.setattr(sums, "WIDENED", 2 * sums.CHUNK)
    near = normal(length)
    for add in (l1, sum_of_squares):
        assert add(near.to(NAME)) == pytest.approx(add(near), rel=1e-14)


@pytest.mark.parametrize("shape", [(3, 5), (1, 9000), (300, 40)])
def test_products_of_rows_differ_in_their_last_bits_at_most(shape, monkeypatch) -> None:
    monkeypatch.setattr(sums, "WIDENED", 1000)
    a, b = normal(2, *shape)
    found = row_products(a.to(NAME), b.to(NAME))
    assert not isinstance(found, Far)
    torch.testing.assert_close(found, row_products(a, b), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9])
def test_of_equal_values_the_same_ones_are_the_largest(count) -> None:
    values = torch.tensor([[0.5, 2.0, 0.5, 3.0], [2.0, 0.5, 2.0, 0.0]])
    found = largest(values.to(NAME), count)
    assert isinstance(found, Far)
    assert torch.equal(found.cpu(), largest(values, count))


def test_a_device_is_given_longer_parts(monkeypatch) -> None:
    monkeypatch.setattr(algebra, "PART", 4)
    monkeypatch.setattr(algebra, "PART_THERE", 8)
    lengths = [
        [len(part[0]) for (part,) in parts(x)] for x in (normal(2, 10), normal(2, 10).to(NAME))
    ]
    assert lengths == [[4, 4, 2], [8, 2]]

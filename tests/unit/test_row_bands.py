"""Bands of rows are those of a stable order, wherever equal magnitudes fall."""

import numpy as np
import pytest
import torch

from merger.kernels.row_bands import band_rows
from merger.order import ranks_of

ROWS = 5


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize(
    ("columns", "first", "last"),
    [
        (64, 0, 20),
        (64, 3, 20),
        (700, 7, 147),
        (700, 0, 700),
        (700, 650, 700),
        (70, 5, 5),
        (70, 0, 0),
    ],
)
def test_a_band_keeps_the_ranks_that_it_says(
    columns: int, first: int, last: int, digits: int
) -> None:
    draw = np.random.default_rng(columns + digits)
    # With few digits most magnitudes occur several times.
    tau = np.round(draw.normal(size=ROWS * columns), digits).astype(np.float32)
    base, kept = np.zeros_like(tau), np.empty_like(tau)
    band_rows(tau, base, np.float32(2.0), columns, first, last, kept)
    ranks = ranks_of(torch.from_numpy(tau)[None], columns)[0].numpy()
    expected = np.where((ranks >= first) & (ranks < last), tau * np.float32(2.0), np.float32(0.0))
    assert np.array_equal(kept, expected)
    assert int(((ranks >= first) & (ranks < last)).sum()) == ROWS * (last - first)


def test_numbers_that_are_not_finite_are_reported() -> None:
    expert = np.array([1.0, np.inf, 2.0, 3.0], np.float32)
    worst = band_rows(
        expert, np.zeros(4, np.float32), np.float32(1.0), 4, 0, 2, np.empty(4, np.float32)
    )
    assert worst == 0x7F80_0000

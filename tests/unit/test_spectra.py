"""How many directions a share of the energy takes, and what factors lose."""

import math

import pytest
import torch

from merger.spectra import Spectra, rank_for

STRENGTH = torch.tensor([4.0, 2.0, 2.0, 1.0], dtype=torch.float64)  # squares 16 4 4 1, in all 25


@pytest.mark.parametrize(
    ("rank", "energy", "wanted"),
    [(2, None, 2), (9, None, 4), (None, 0.64, 1), (None, 0.65, 2), (None, 0.8, 2), (None, 0.97, 4),
     (None, 1.0, 4), (1, 0.9, 1), (3, 0.5, 1)],
)  # fmt: skip
def test_a_rank_is_what_is_asked_for_or_what_the_energy_takes(rank, energy, wanted) -> None:
    assert rank_for(STRENGTH, rank, energy) == wanted


def test_no_direction_at_all_needs_no_rank() -> None:
    assert rank_for(STRENGTH[:0], 3, 0.9) == 0


def test_energies_and_losses_by_hand() -> None:
    spectra = Spectra()
    for key, factor in (("a", 1.0), ("b", 2.0)):
        change = factor * torch.diag(STRENGTH).float()
        exact = (torch.eye(4)[:1], factor * 4 * torch.eye(4)[:, :1])
        rounded = (exact[0], exact[1] * 0.75)
        spectra.add(key, change, factor * STRENGTH, exact, rounded)
    one = spectra.found["a"]
    assert one.rank == 1 and one.length == 5.0
    # Without the first direction 4 + 4 + 1 = 9 of 25 are left; three quarters of it miss 1 more.
    assert one.exact == pytest.approx(3 / 5)
    assert one.error == pytest.approx(math.sqrt(9 + 1) / 5)
    assert spectra.ranks() == (1, 2, 4)
    assert one.shares((1, 2, 4)) == pytest.approx((16 / 25, 20 / 25, 1.0))
    assert spectra.shares((1, 2, 4)) == pytest.approx((16 / 25, 20 / 25, 1.0))
    assert spectra.exact == pytest.approx(3 / 5)


def test_nothing_factored_is_nothing_lost() -> None:
    assert Spectra().ranks() == () and Spectra().error == 0.0

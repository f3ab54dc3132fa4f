"""How much of each change its strongest directions hold, and what factors of it lose."""

from math import sqrt
from typing import NamedTuple

from merger.diagnostics.energy import Change
from merger.lazy import Tensor, torch

ROWS = 1024
Pair = tuple[Tensor, Tensor]


def rank_for(strength: Tensor, rank: int | None, energy: float | None) -> int:
    """Return how many directions to keep: at most `rank`, and no more than the energy takes.

    Args:
        strength: Strengths of all directions, from strong to faint.
        rank: Most directions; None for no limit.
        energy: Share of the sum of squares that is enough; None for all of it.
    """
    count = len(strength)
    if energy is not None and count:
        held = strength.square().cumsum(0)
        count = min(count, int((held < energy * held[-1]).sum()) + 1)
    return count if rank is None else min(count, rank)


class Spectrum(NamedTuple):
    """One matrix's change: its directions, and what its factors lose.

    Args:
        rank: How many directions the factors have.
        sides: Rows and columns together: the numbers that one direction takes.
        squares: Squared strengths of all directions, from strong to faint, added up.
        length: Length of the change.
        lost: Length of what the stored factors lose.
        lost_exactly: The same before rounding.
    """

    rank: int
    sides: int
    squares: Tensor
    length: float
    lost: float
    lost_exactly: float

    @property
    def error(self) -> float:
        """What is lost, as a share of the change's length."""
        return self.lost / self.length

    @property
    def exact(self) -> float:
        """What is lost before rounding, as a share of the change's length."""
        return self.lost_exactly / self.length

    def held(self, rank: int) -> float:
        """Return the squared length that so many directions hold."""
        return float(self.squares[min(rank, len(self.squares)) - 1]) if len(self.squares) else 0.0

    def shares(self, ranks: tuple[int, ...]) -> tuple[float, ...]:
        """Return the share of the squared length held by so many directions."""
        whole = self.held(len(self.squares))
        return tuple(self.held(rank) / whole for rank in ranks)


class Spectra:
    """The spectra of all matrices that were factored so far."""

    def __init__(self) -> None:
        self.found: dict[str, Spectrum] = {}

    def add(self, key: str, change: Tensor, strength: Tensor, exact: Pair, rounded: Pair) -> None:
        """Take in one matrix: its change, all strengths, and its factors before and after."""
        self.found[key] = Spectrum(
            len(exact[0]),
            sum(change.shape),
            strength.square().cumsum(0),
            sqrt(sum(float(part.double().square().sum()) for part in change.split(ROWS))),
            _lost(change, rounded),
            _lost(change, exact),
        )

    @property
    def error(self) -> float:
        """What is lost of all changes, as a share of their length."""
        return self._share([one.lost for one in self.found.values()])

    @property
    def exact(self) -> float:
        """The same before rounding."""
        return self._share([one.lost_exactly for one in self.found.values()])

    def ranks(self) -> tuple[int, ...]:
        """Return the numbers of directions that energies are given for: powers of two, and all."""
        most = max((len(one.squares) for one in self.found.values()), default=0)
        doubled = [1 << i for i in range(most.bit_length()) if 1 << i < most]
        return (*doubled, most) if most else ()

    def shares(self, ranks: tuple[int, ...]) -> tuple[float, ...]:
        """Return the share of all squared lengths that so many directions of each matrix hold."""
        every = list(self.found.values())
        whole = sum(one.held(len(one.squares)) for one in every)
        return tuple(sum(one.held(rank) for one in every) / whole for rank in ranks)

    def changes(self) -> tuple[Change, ...]:
        """Return the spectrum of each matrix as measures take them."""
        return tuple(
            Change(key, one.squares.double().numpy(), one.sides) for key, one in self.found.items()
        )

    def _share(self, lost: list[float]) -> float:
        length = sum(one.length**2 for one in self.found.values())
        return sqrt(sum(part**2 for part in lost) / length) if length else 0.0


def _lost(change: Tensor, factors: Pair) -> float:
    """Return the length of what two factors lose, row by row in double precision."""
    right, left = factors[0].double(), factors[1]
    total = 0.0
    for start in range(0, len(change), ROWS):
        rows = slice(start, start + ROWS)
        part = change[rows].double() - left[rows].double() @ right
        total += float(torch.sum(part * part))
    return sqrt(total)

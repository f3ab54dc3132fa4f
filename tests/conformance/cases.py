"""Random tensors of every shape whose changes never tie in magnitude."""

from typing import NamedTuple

import torch
from torch import Tensor

SHAPES = [(), (1,), (7,), (300,), (1, 9), (9, 1), (4, 6), (30, 41), (2, 3, 5), (3, 2, 3, 3)]
MATRICES = [shape for shape in SHAPES if len(shape) == 2 and min(shape) > 1]


class Family(NamedTuple):
    """One tensor of a base and of its experts, in double precision."""

    base: Tensor
    experts: list[Tensor]

    @property
    def n(self) -> int:
        """How many experts there are."""
        return len(self.experts)


def family(
    shape: tuple[int, ...], n: int, seed: int, *, gaps: bool = False, unit: float = 2.0**-12
) -> Family:
    """Return models in multiples of a unit whose changes differ in magnitude within an expert.

    mergekit sorts magnitudes in single precision and leaves the order of equal ones open.

    Args:
        shape: Of the tensor.
        n: How many experts.
        seed: Another family for each.
        gaps: Whether each expert leaves about half of the entries unchanged.
        unit: The smallest change, a power of 2.
    """
    generator = torch.Generator().manual_seed(seed)
    numel = torch.Size(shape).numel()
    base = torch.randint(-8000, 8000, shape, generator=generator).double() / 4096.0
    experts = []
    for _ in range(n):
        sizes = (torch.randperm(numel, generator=generator) + 1).double()
        signs = 1.0 - 2.0 * torch.randint(0, 2, (numel,), generator=generator)
        change = sizes * signs * unit
        if gaps:
            change *= torch.randint(0, 2, (numel,), generator=generator)
        experts.append(base + change.reshape(shape))
    return Family(base, experts)


def coefficients(n: int, seed: int) -> list[float]:
    """Return one coefficient per expert, exact in single precision and mostly positive."""
    generator = torch.Generator().manual_seed(1000 + seed)
    found = torch.randint(-20, 100, (n,), generator=generator) / 64.0
    # None of them 0 and no sum of some of them either, so that no divisor vanishes.
    return (found + 1 / 128.0 + torch.arange(n) / 1024.0).tolist()


def assert_agrees(ours: Tensor, theirs: Tensor, tolerance: float = 1e-9) -> None:
    """Check the largest difference against the largest value."""
    assert ours.shape == theirs.shape
    assert torch.isfinite(theirs).all()
    if theirs.numel():
        size = theirs.double().abs().max().item()
        assert (ours.double() - theirs.double()).abs().max().item() <= tolerance * max(size, 1e-3)

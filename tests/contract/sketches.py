"""One sketch of each kind of method that is still to come: does the grammar carry it?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import torch
from torch import Tensor

from merger.algebra import mean, total
from merger.spec import (
    METHODS,
    Base,
    Delta,
    Deltas,
    Fisher,
    Knob,
    PerTask,
    Share,
    Uniform,
    Weight,
    Weights,
    merge_method,
)


def register_sketches() -> None:
    """Register the sketches."""

    @merge_method("Rows", family="sketch", paper="arXiv:2312.06795", scope="row")
    def sketch_rows(tau: Deltas, *, density: Share = 0.5) -> Delta:
        """Keep the largest entries of each row."""
        n, rows, columns = tau.shape
        k = max(1, int(density * columns))
        chosen = torch.argsort(tau.abs(), dim=-1, descending=True, stable=True)[..., :k]
        kept = torch.zeros_like(tau).scatter_(-1, chosen, tau.gather(-1, chosen))
        assert kept.shape == (n, rows, columns)
        return total(kept)

    @merge_method("Spectral", family="sketch", paper="arXiv:2502.04959", scope="tensor")
    def sketch_spectral(
        tau: Deltas, *, scale: Annotated[float, Knob(slider=(0.0, 3.0))] = 1.0
    ) -> Delta:
        """Give every direction of a matrix the same strength; average everything else."""
        if tau.dim() != 3:
            return mean(tau) * scale
        u, s, v = torch.linalg.svd(total(tau).double(), full_matrices=False)
        return (s.mean() * (u @ v)).float() * scale

    @merge_method("Per task", family="sketch", paper="arXiv:2405.17461")
    def sketch_per_task(tau: Deltas, base: Base) -> PerTask:
        """Give each expert back, with what the others have in its direction."""
        sign = torch.where(mean(tau) > 0.0, 1.0, -1.0)
        agrees = torch.gt(tau * sign, 0.0, out=torch.empty_like(tau))
        unified = (tau * agrees).abs().amax(0) * sign
        return base + agrees * unified

    @merge_method("Fisher", family="sketch", paper="arXiv:2111.09832")
    def sketch_fisher(theta: Weights, fisher: Fisher) -> Weight:
        """Average experts, each entry weighted by how much the expert cares about it."""
        return total(theta * fisher) / total(fisher).clamp(min=1e-12)

    @merge_method("In order", family="sketch", paper="arXiv:2501.09522", scope="model")
    def sketch_in_order(tau: Deltas) -> Delta:
        """Take experts one after the other, each orthogonal to what is there already."""
        first = next(iter(tau.values()))
        done = {key: stack[0] for key, stack in tau.items()}
        for t in range(1, len(first)):
            along = _dot(done, {k: s[t] for k, s in tau.items()})
            size = _dot(done, done)
            share = along / size if size else 0.0
            done = {k: d + tau[k][t] - share * d for k, d in done.items()}
        return done

    @merge_method("Drop first", family="sketch", paper="arXiv:2311.03099", stage="before")
    def sketch_drop(tau: Deltas, draws: Uniform, *, density: Share = 0.5) -> Deltas:
        """Drop entries at random before the method."""
        return tau * torch.lt(draws, density, out=torch.empty_like(tau))

    @merge_method("Match", family="sketch", paper="none", stage="before", scope="tensor")
    def sketch_match(tau: Deltas) -> Deltas:
        """Give every task vector the length of the first."""
        norms = tau.reshape(len(tau), -1).double().norm(dim=1)
        ratio = torch.where(norms > 0, norms[0] / norms, 1.0).float()
        return tau * ratio.reshape(-1, *[1] * (tau.dim() - 1))


def _dot(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return sum(float((a[k].double() * b[k].double()).sum()) for k in a)


@contextmanager
def sketches() -> Iterator[list[str]]:
    """Register the sketches for a while."""
    before = set(METHODS)
    register_sketches()
    added = sorted(set(METHODS) - before)
    try:
        yield added
    finally:
        for name in added:
            METHODS.remove(name)

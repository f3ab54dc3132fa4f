"""Verbs that decide which entries of a task vector count, and by how much."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from merger.algebra import add_update, combine_agreeing, drop, elect_sign, keep, row_length, total
from merger.cuts import cut_there, survives
from merger.errors import RecipeError
from merger.lazy import Tensor, torch


def values_of(setting: float | Tensor, n: int) -> list[float]:
    """Return a setting as one number per expert, as it was typed."""
    if not isinstance(setting, torch.Tensor):
        return [setting] * n
    # The shortest text of a float32 is what somebody typed: 0.7 and not 0.69999999.
    return [float(str(value)) for value in setting.reshape(-1).cpu().numpy()]


def band(
    ranks: Tensor, density: float | Tensor, gamma: float | Tensor, trim: str, like: Tensor
) -> Tensor:
    """Return 1 where an entry is neither among the largest nor among the small, 0 elsewhere.

    Args:
        ranks: Place of each entry by magnitude, 0 the largest, (n, *piece).
        density: Share of each row or tensor that is kept.
        gamma: Share of the largest that is not.
        trim: "row" keeps at least one and fewer where the largest take its place; "tensor" gives
            way to the share kept, and may keep none.
        like: Decides the dtype.
    """
    n, size = len(ranks), row_length(ranks.shape[1:])
    if trim == "tensor":
        size = ranks[0].numel()
    kept = torch.empty(ranks.shape, dtype=like.dtype, device=ranks.device)
    shares = zip(values_of(density, n), values_of(gamma, n), strict=True)
    for row, out, (share, removed) in zip(ranks, kept, shares, strict=True):
        first, last = band_of(share, removed, size, trim)
        torch.ge(row, first, out=out).mul_(row < last)
    return kept


def band_of(share: float, removed: float, size: int, trim: str) -> tuple[int, int]:
    """Return the first rank that is kept, and the first one after it that is not; see `band`."""
    count, top = int(share * size), int(removed * size)
    if trim == "row":
        count = max(1, count) if share > 0.0 else 0
    elif share >= 1.0:
        count, top = size, 0
    else:
        top = min(top, size - count)
    return top, top + count


def magprune(
    tau: Tensor,
    draws: Tensor,
    ranks: Tensor,
    density: float | Tensor,
    epsilon: float | Tensor,
    rescale: str,
) -> Tensor:
    """Drop entries at random, small ones more often, and make up for the lost ones; see `drop`."""
    kept = torch.empty_like(tau)
    # One expert at a time, so that only one has its probabilities at hand.
    for i, chances in enumerate(keep_chances(ranks, density, epsilon, tau)):
        one = slice(i, i + 1)
        kept[one] = drop(tau[one], draws[one], chances.unsqueeze(0), rescale)
    return kept


def keep_chances(
    ranks: Tensor, density: float | Tensor, epsilon: float | Tensor, like: Tensor
) -> Iterator[Tensor]:
    """Yield, expert by expert, how probably each entry is kept: larger ones of a row more often.

    Args:
        ranks: Place of each entry by magnitude in its row, 0 the largest, (n, *piece).
        density: The mean probability.
        epsilon: How far the largest lies above it, and the smallest below.
        like: Decides the dtype.
    Raises:
        RecipeError: a probability would not lie between 0 and 1.
    """
    n, columns = len(ranks), row_length(ranks.shape[1:])
    both = zip(values_of(density, n), values_of(epsilon, n), strict=True)
    for (share, width), row in zip(both, ranks, strict=True):
        yield chances_of(row, columns, share, width, like)


def chances_of(row: Tensor, columns: int, share: float, width: float, like: Tensor) -> Tensor:
    """Return how probably entries of these ranks in rows of some length are kept."""
    if 0.0 < share < 1.0 and not 0.0 < share - width <= share + width < 1.0:
        raise RecipeError(
            f"density must lie further than epsilon ({width:g}) from 0 and from 1, "
            f"or be 0 or 1, got {share:g}.",
            "Lower epsilon, or move density.",
        )
    if columns > 1 and 0.0 < share < 1.0:
        above = (columns - 1 - row).to(like.dtype).div_(columns - 1)
        return above.mul_(2.0 * width).add_(share - width)
    return like.new_full(row.shape, min(1.0, max(0.0, share)))


def largest(values: Tensor, count: int) -> Tensor:
    """Return 1 at the `count` largest values and 0 elsewhere; of equal ones the first count."""
    if values.device.type != "cpu":
        return _largest_there(values.reshape(-1), count).reshape(values.shape)
    flat = values.detach().reshape(-1).cpu().numpy()
    kept = np.zeros(flat.shape, flat.dtype)
    if count >= len(flat):
        kept[:] = 1
    elif count > 0:
        threshold = np.partition(flat, len(flat) - count)[len(flat) - count]
        above = flat > threshold
        kept[above] = 1
        kept[np.flatnonzero(flat == threshold)[: count - int(above.sum())]] = 1
    return torch.from_numpy(kept).reshape(values.shape).to(values.device)


def _largest_there(flat: Tensor, count: int) -> Tensor:
    """Return what `largest` does, found where the values are."""
    if not 0 < count < len(flat):
        return torch.full_like(flat, float(count > 0))
    return survives(flat, cut_there(flat, count), 0).to(flat.dtype)


def unify(tau: Tensor, cut: Tensor | None, majority: Callable[[], Any]) -> Tensor:
    """Return one task vector for all: their sum, or after a cut what TIES adds up, (*piece)."""
    if cut is None:
        return total(tau)
    kept = keep(tau, cut)
    return combine_agreeing(kept, elect_sign(kept, majority=majority), "sum", reuse=True)


def own_masks(tau: Tensor, unified: Tensor, strictness: float | Tensor) -> Tensor:
    """Return 1 where an expert's own change outweighs what the others add, (n, *piece).

    Args:
        tau: Task vectors.
        unified: What all of them merge to.
        strictness: How many times larger it must be.
    """
    masks = torch.empty_like(tau)
    for row, times, out in zip(tau, values_of(strictness, len(tau)), masks, strict=True):
        _own_mask(row, unified, times, out)
    return masks


def count_masks(tau: Tensor, unified: Tensor, strictness: float | Tensor) -> Tensor:
    """Return how many experts' own masks hold each entry, (*piece); see `own_masks`."""
    count, mask = torch.zeros_like(unified), torch.empty_like(unified)
    for row, times in zip(tau, values_of(strictness, len(tau)), strict=True):
        count += _own_mask(row, unified, times, mask)
    return count


def _own_mask(row: Tensor, unified: Tensor, times: float, out: Tensor) -> Tensor:
    return torch.gt(row.abs(), (unified - row).abs_().mul_(times), out=out)


def add_updates(base: Tensor, updates: Tensor) -> Tensor:
    """Add one update per expert to the base, in place of the updates; see `add_update`."""
    for row in updates:
        row.copy_(add_update(base, row))
    return updates


def shares_of(sizes: Sequence[float]) -> list[float]:
    """Return sizes as shares of their sum; equal shares where all are 0."""
    whole = sum(sizes)
    return [size / whole if whole else 1.0 / len(sizes) for size in sizes]

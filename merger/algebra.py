"""Shared verbs over stacked task vectors, shape (n, *piece).

Sums over experts are added expert by expert, and no operation here fuses a multiplication into an
addition: both would let the bits of a result depend on how the work is cut into blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

from merger.errors import RecipeError
from merger.lazy import Tensor, torch
from merger.sums import l1

# Entries at a time where a formula needs many numbers for each; a GPU waits for calls, so that it
# is given more.
PART = 1 << 13
PART_THERE = 1 << 19
TINY = 1e-30


def total(stack: Tensor) -> Tensor:
    """Add up the experts, one after the other."""
    if len(stack) == 1:
        return stack[0].clone()
    result = stack[0] + stack[1]
    for row in stack[2:]:
        result += row
    return result


def mean(stack: Tensor) -> Tensor:
    """Average the experts."""
    return total(stack) / stack.shape[0]


def weighted_total(stack: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Add up the experts, each multiplied by its coefficient."""
    result = stack[0] * coefficients[0]
    for row, coefficient in zip(stack[1:], coefficients[1:], strict=True):
        result += row * coefficient
    return result


def divisor(coefficients: Sequence[float]) -> float:
    """Return the sum of the coefficients, which must not be 0.

    Raises:
        RecipeError: the coefficients add up to 0.
    """
    result = sum(coefficients)
    if abs(result) < 1e-8:
        raise RecipeError(
            "The coefficients must not add up to 0 when they are normalised, "
            f"got {', '.join(f'{c:g}' for c in coefficients)}.",
            "Change one of them, or switch normalize off.",
        )
    return result


def parts(*stacks: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same few entries of each stack, (n, entries); formulas by entry need no more."""
    step = PART if stacks[0].device.type == "cpu" else PART_THERE
    yield from zip(*(s.reshape(len(s), -1).split(step, dim=1) for s in stacks), strict=True)


def keep(tau: Tensor, cut: Tensor) -> Tensor:
    """Set what did not survive the cut to 0."""
    return tau * cut


def drop(tau: Tensor, draws: Tensor, density: float | Tensor, rescale: str) -> Tensor:
    """Keep each entry with probability `density` and make up for the lost ones.

    Args:
        tau: Task vectors.
        draws: Uniform random numbers of the same shape.
        density: Share kept, 0 to 1; a tensor that broadcasts when experts differ.
        rescale: "inverse" divides by the density, "l1" restores each expert's sum of magnitudes,
            "none" leaves it.
    """
    kept = torch.lt(draws, density, out=torch.empty_like(tau)).mul_(tau)
    if rescale == "inverse":
        # At density 0 nothing is kept, and 0 / tiny stays 0.
        kept /= density.clamp(TINY) if isinstance(density, torch.Tensor) else max(density, TINY)
    if rescale == "l1":
        for row, whole in zip(kept, tau, strict=True):
            left = l1(row)
            if left > 0.0:
                row *= l1(whole) / left
    return kept


def votes(kept: Tensor, elect: str = "sum") -> Tensor:
    """Return the sum whose sign is elected: of values ("sum") or of signs ("count")."""
    if elect == "sum":
        return total(kept)
    result = kept[0].sign()
    for row in kept[1:]:
        result += row.sign()
    return result


def elect_sign(
    kept: Tensor, elect: str = "sum", tie: str = "majority", majority: Callable[[], Any] = float
) -> Tensor:
    """Return the elected sign of each entry: -1, 0 or 1.

    Args:
        kept: Task vectors after trimming.
        elect: "sum" weighs votes by magnitude, "count" does not.
        tie: What an entry gets where the votes cancel: "majority" the sign that most entries of
            the scope elect, "plus" 1, "drop" 0.
        majority: Called for that sign, and only where votes do cancel.
    """
    sign = votes(kept, elect).sign_()
    if tie == "drop":
        return sign
    if tie == "plus":
        return sign.add_(_open(sign))
    return sign.add_(_open(sign).mul_(majority())) if _cancels(kept, sign) else sign


def _open(sign: Tensor) -> Tensor:
    """Return 1 where no sign was elected and 0 elsewhere."""
    return torch.eq(sign, 0.0, out=torch.empty_like(sign))


def _cancels(kept: Tensor, sign: Tensor) -> bool:
    """Return whether anybody voted where nothing was elected."""
    reach = kept[0].abs()
    for row in kept[1:]:
        reach += row.abs()
    return bool(reach.mul_(_open(sign)).amax() > 0.0)


def combine_agreeing(
    kept: Tensor,
    sign: Tensor,
    how: str = "mean",
    coefficients: Sequence[float] = (),
    scales: Sequence[float] = (),
    reuse: bool = False,
) -> Tensor:
    """Combine, entry by entry, the values that have the elected sign; zeros never agree.

    Args:
        kept: Task vectors after trimming.
        sign: The elected sign of each entry.
        how: "mean", "sum", "max" (the largest magnitude), or "weighted": the sum divided by the
            coefficients of those that agree.
        coefficients: One per expert, for "weighted".
        scales: What values that agree are multiplied by, one per expert; 1 each when empty.
        reuse: Whether `kept` may be overwritten, which saves as much memory.
    """
    if not reuse:
        kept = kept.clone()
    result = torch.zeros_like(sign)
    count = torch.empty_like(sign) if how in ("mean", "weighted") else None
    for i, row in enumerate(kept):
        agreeing = row.mul_(sign).clamp_(min=0.0)
        if count is not None:
            # Comparisons into floats: those into booleans take ten times as long.
            agrees = torch.gt(agreeing, 0.0, out=kept[i - 1] if i else count)
            if how == "weighted":
                agrees.mul_(coefficients[i])
            if i:
                count += agrees
        if scales:
            agreeing.mul_(scales[i])
        if how == "max":
            torch.maximum(result, agreeing, out=result)
        else:
            result += agreeing
    if count is not None:
        result /= count.add_(torch.eq(count, 0.0, out=kept[-1]))
    return result.mul_(sign)


def add_update(base: Tensor, update: Tensor) -> Tensor:
    """Add an update to the base so that where it is 0 the base comes back bit by bit.

    Adding 0 to -0 would give 0; subtracting 0 does not, and 0 - update is never -0.
    """
    return base - (0.0 - update)


def row_length(shape: Sequence[int]) -> int:
    """Return the length of a row: a tensor is [first axis, all others], a vector is one row."""
    return prod(shape[1:]) if len(shape) > 1 else prod(shape)

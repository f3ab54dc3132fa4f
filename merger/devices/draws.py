"""Random draws made on the device that needs them, bit for bit those of `merger.randomness`.

Philox 4x64-10 in the 64-bit integers that every device has: products wrap around as they should,
and the upper half of one is put together from halves of its factors.
"""

from collections.abc import Sequence
from typing import Any

from merger.devices.philox import compiled_words
from merger.lazy import Tensor, torch
from merger.randomness import ADD, MULTIPLY, PER_COUNT, ROUNDS, UNIT

LOWER = (1 << 32) - 1
# Counts at a time, of all experts together: enough to keep a GPU busy, and it needs a dozen
# numbers for each.
COUNTS = 1 << 19


def uniforms_on(device: Any, keys: Sequence[int], start: int, stop: int) -> Tensor:
    """Return each key's draws start to stop as float32 in [0, 1), (keys, stop - start).

    Args:
        device: Where they are made, and stay.
        keys: One for each row.
        start: The first draw.
        stop: One past the last.
    """
    found = torch.empty((len(keys), stop - start), dtype=torch.float32, device=device)
    # Both streams begin with a count wherever a part of this length begins.
    step = max(1, COUNTS // len(keys)) * PER_COUNT
    at = start
    while at < stop:
        end = min(stop, (at // step + 1) * step)
        upper = _part(device, keys, 0, torch.uint8, at, end).to(torch.int32).mul_(1 << 16)
        lower = _part(device, keys, 1, torch.int16, at, end).to(torch.int32)
        upper.add_(lower.bitwise_and_(0xFFFF))
        torch.mul(upper.to(torch.float32), float(UNIT), out=found[:, at - start : end - start])
        at = end
    return found


def _part(
    device: Any, keys: Sequence[int], stream: int, kind: Any, start: int, stop: int
) -> Tensor:
    """Return one part of the draws start to stop, (keys, stop - start); see `randomness`."""
    per_count = PER_COUNT // kind.itemsize
    first = start // per_count
    words = _words(device, keys, stream, first, -(-stop // per_count))
    skip = start - first * per_count
    return words.view(kind)[:, skip : skip + stop - start]


def _words(device: Any, keys: Sequence[int], stream: int, first: int, stop: int) -> Tensor:
    """Return the words of some counts, four for each, (keys, 4 * counts)."""
    # The counter goes up before it is used, as numpy's does.
    counts = torch.arange(first + 1, stop + 1, dtype=torch.int64, device=device)
    compiled = compiled_words(counts.device) if counts.is_cuda else None
    if compiled is None:
        words = _words_by_steps(counts.expand(len(keys), -1), keys, stream)
    else:
        own = torch.tensor([[_signed(key)] for key in keys], device=device)
        words = compiled(counts, own, torch.tensor([stream], device=device))
    return torch.stack(words, dim=2).view(len(keys), -1)


def _words_by_steps(a: Tensor, keys: Sequence[int], stream: int) -> tuple[Tensor, ...]:
    """Return the four words of counts in operations that every device knows, (keys, counts)."""
    b, c, d = (torch.zeros_like(a) for _ in range(3))
    table = [[[_signed(key + i * ADD[0])] for key in keys] for i in range(ROUNDS)]
    for i, own in enumerate(torch.tensor(table, device=a.device)):
        shared = _signed(stream + i * ADD[1])
        high_0, low_0 = _multiply(a, MULTIPLY[0])
        high_1, low_1 = _multiply(c, MULTIPLY[1])
        a, b = high_1.bitwise_xor_(b).bitwise_xor_(own), low_1
        c, d = high_0.bitwise_xor_(d).bitwise_xor_(shared), low_0
    return a, b, c, d


def _multiply(values: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """Return the upper and the lower half of products of 64 bits, taken as without sign."""
    upper, lower = _upper(values), values & LOWER
    by_upper, by_lower = by >> 32, by & LOWER
    first, second = lower * by_upper, upper * by_lower
    middle = _upper(lower * by_lower)
    middle.add_(first & LOWER).add_(second & LOWER)
    high = upper.mul_(by_upper).add_(_upper(first)).add_(_upper(second))
    return high.add_(_upper(middle)), values * _signed(by)


def _upper(values: Tensor) -> Tensor:
    """Return the upper 32 bits, taken as without sign."""
    return (values >> 32).bitwise_and_(LOWER)


def _signed(value: int) -> int:
    """Return the integer of 64 bits with sign that has the same bits."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value

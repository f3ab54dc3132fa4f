"""Pieces of a model: consecutive entries of one tensor, or of several that lie side by side."""

from collections.abc import Iterator
from typing import NamedTuple

from merger.algebra import row_length
from merger.plan import TensorPlan
from merger.settings import Settings
from merger.sums import CHUNK

# Long enough to keep the overhead small, short enough to stay in the cache. Statistics are taken
# over blocks of this length whatever the engine's own blocks are.
BLOCK = 8 * CHUNK
# For loops that see to the cache themselves: fewer calls, and not much memory.
LOOP_BLOCK = 4 * BLOCK
# For loops that hold nothing but their result: a system hands out and takes back large areas of
# memory and of files in fewer steps.
LONG_BLOCK = 8 * BLOCK


class Piece(NamedTuple):
    """Entries that one call of a method works on.

    Args:
        tensors: The tensors; more than one only where all lie side by side in memory.
        start: First entry, counted from the start of the first tensor.
        stop: One past the last entry, counted from the start of the first tensor.
    """

    tensors: tuple[TensorPlan, ...]
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def first(self) -> TensorPlan:
        """The tensor in which it begins."""
        return self.tensors[0]

    @property
    def settings(self) -> Settings:
        """The settings, the same for all its tensors."""
        return self.tensors[0].settings

    def shape(self, scope: str) -> tuple[int, ...]:
        """Return the shape in which a method of this scope sees it."""
        if scope == "element" or len(self.tensors) > 1:
            return (len(self),)
        if scope == "row":
            columns = row_length(self.first.shape)
            return (len(self) // columns if columns else 0, columns)
        return self.first.shape


def cut_up(tensor: TensorPlan, scope: str, block: int = BLOCK) -> Iterator[Piece]:
    """Yield the pieces of a tensor, at most `block` entries each where the scope allows it."""
    size = tensor.numel
    if scope in ("tensor", "model") or size <= block:
        yield Piece((tensor,), 0, size)
        return
    step = block
    if scope == "row":
        columns = row_length(tensor.shape)
        step = max(1, block // columns) * columns
    for start in range(0, size, step):
        yield Piece((tensor,), start, min(size, start + step))

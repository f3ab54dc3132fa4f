"""Whether a block has a faster second form, and the form itself.

Compiling and loading loops takes a second or two, so small merges go without them. The bytes are
the same either way: `tests/contract/test_kernels.py` compares them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from merger.checkpoint import TORCH_NAMES
from merger.combination import Combination
from merger.feeds import Serving
from merger.footprint import ranked_bytes
from merger.inputs import CheckpointInputs
from merger.kernels.block import Block
from merger.kernels.forms import Forms
from merger.lazy import Tensor, torch
from merger.pieces import BLOCK, LONG_BLOCK, LOOP_BLOCK, Piece
from merger.plan import BASE, Plan, TensorPlan
from merger.settings import Stage
from merger.signature import FeedUse, Of
from merger.spaces import vectors

if TYPE_CHECKING:
    from merger.kernels.keeping import Keeper
    from merger.remembered import Cutting
    from merger.survey import Survey

# From so many entries read on.
SMALLEST = 1 << 26
DTYPES = ("BF16", "F32")
# So many entries of a sum are written at once, and no more of them are held.
PART = BLOCK


class FastForms:
    """The faster forms of one merge, if there are any.

    Args:
        plan: What is merged.
        inputs: Where it is read.
        device: Where methods compute.
    """

    def __init__(self, plan: Plan, inputs: CheckpointInputs, device: str = "cpu") -> None:
        self._plan = plan
        self._inputs = inputs
        self._stage = plan.stages[0]
        large = plan.numel * plan.n >= SMALLEST
        plain = len(plan.stages) == 1 and inputs.only_differences
        self._is_there = large and plain
        # Statistics are of what is stored, and the processor has it first; a GPU merges by itself.
        self._merges = device == "cpu"
        self._workers = 1
        self._fitting: dict[str, bool] = {}
        self._forms = Forms(plan, self._read_changes)

    def serve(self, workers: int) -> None:
        """Be ready for so many tensors that are merged at once."""
        self._workers = workers
        self._forms.serve(workers)

    def scope(self, tensor: TensorPlan) -> str | None:
        """Return the smallest piece that the faster form of a tensor works on, if it has one."""
        if not self._merges or tensor.out_dtype not in DTYPES or not self._fits(tensor):
            return None
        if self._plan.method.linear is not None:
            return self._plan.scope_at(tensor.settings)
        return self._forms.scope(tensor)

    def longest(self) -> int:
        """Return how many entries a block may have at most.

        Sums are made in registers and take no room but their result's, so that long blocks only
        save calls; other loops go through a block in parts of their own. What stands whole in
        memory at each step does better with short ones.
        """
        merged = self._plan.merged
        if not merged or any(self.scope(tensor) is None for tensor in merged):
            return BLOCK
        return LONG_BLOCK if self._plan.method.linear is not None else LOOP_BLOCK

    def beside(self) -> int:
        """Return how many bytes a worker takes beside its block, at most."""
        fast = [tensor for tensor in self._plan.merged if self.scope(tensor) is not None]
        slow = [tensor for tensor in self._plan.merged if self.scope(tensor) is None]
        return max(self._forms.beside(fast), ranked_bytes(self._plan, slow))

    def piece(self, tensor: TensorPlan) -> str:
        """Return the smallest piece that a tensor can be merged in, by whichever form."""
        scope = self._plan.scope_at(tensor.settings)
        return scope if scope == "model" else self.scope(tensor) or scope

    def merge(self, serving: Serving, survey: "Survey") -> Tensor | None:
        """Return the merged entries of a piece in the dtype they are written in.

        Nothing is returned where there is no faster form, or where a number is not finite: then
        the slow form finds the words for what is wrong.
        """
        tensor = serving.piece.first
        if self._plan.method.linear is not None:
            return next(self.parts(serving, len(serving.piece)), None)
        if self.scope(tensor) is None:
            return None
        out = _room(tensor, len(serving.piece))
        return out if self._forms.merge(serving.piece, survey, stored(out)) else None

    def parts(self, serving: Serving, longest: int | None = None) -> Iterator[Tensor]:
        """Yield the merged entries of a piece part by part, where they are sums of experts.

        Each part is overwritten by the next. They end early where a number is not finite, or there
        is no faster form.

        Args:
            serving: The piece.
            longest: Most entries of a part; `PART` when None.
        """
        tensor, length = serving.piece.first, len(serving.piece)
        longest = PART if longest is None else longest
        if self._plan.method.linear is None or self.scope(tensor) is None:
            return
        combination = self._combination(serving)
        if combination is None:
            return
        from merger.kernels.combine import combine  # noqa: PLC0415  (compiles)

        experts, base = self._read(serving.piece, combination.on_base)
        room = _room(tensor, min(longest, length))
        out = stored(room)
        for start in range(0, length, longest):
            size = min(longest, length - start)
            part = slice(start, start + size)
            origin = None if base is None else base[part]
            if not combine([row[part] for row in experts], origin, combination, out[:size]):
                return
            yield room[:size]

    def balance(
        self, tensors: Sequence[TensorPlan], pieces: Callable[[], Iterator[Serving]],
        survey: "Survey",
    ) -> int | None:  # fmt: skip
        """Return how many entries elect plus, less how many elect minus, if there is a way."""
        if not all(self.scope(tensor) for tensor in tensors):
            return None
        return sum(self._forms.balance(serving.piece, survey) for serving in pieces())

    def counts(
        self,
        tensors: Sequence[TensorPlan],
        pieces: Callable[[], Iterator[Serving]],
        stage: Stage,
        of: Of,
    ) -> "Cutting | None":
        """Return what counts what a cut ranks in some tensors, if there is a faster way."""
        is_plain = of.on is None
        if not all(self._fits(t) if is_plain else self.scope(t) for t in tensors):
            return None
        from merger.kernels import shared_counts, stored_counts  # noqa: PLC0415  (compiles)

        def changes() -> Iterator[tuple[int, stored_counts.Read]]:
            for serving in pieces():
                yield len(serving.piece), partial(self._read_changes, serving.piece)

        def left() -> Iterator[tuple[int, Callable[[], tuple[Block, "Keeper"]]]]:
            for serving in pieces():
                yield len(serving.piece), partial(self._forms.left, serving.piece)

        def check() -> None:
            for serving in pieces():
                serving.deltas(stage)

        if not is_plain and not self._forms.leaves:
            return None
        rows = (
            stored_counts.rows_of_changes(changes, self._plan.n)
            if is_plain
            else stored_counts.rows_of_kept(left)
        )
        counts = stored_counts.StoredCounts(rows, check)
        # Over one tensor, other threads count others meanwhile.
        if len(tensors) == 1 or not self._merges:
            return counts
        return shared_counts.SharedCounts(counts, self._workers)

    def multiplies(self, tensor: TensorPlan, use: FeedUse) -> bool:
        """Return whether there is a faster way to the inner products of a tensor."""
        return self._fits(tensor) and use.of.on in (None, vectors)

    def add_products(self, products: np.ndarray, serving: Serving, use: FeedUse) -> bool:
        """Add inner products over a piece to a matrix, and return whether that was possible."""
        if not self.multiplies(serving.piece.first, use):
            return False
        among_changes = use.feed.name == "gram" or (
            use.of.on is vectors and self._stage.knobs(serving.settings)["space"] == "task_vectors"
        )
        from merger.kernels.gram import add_products  # noqa: PLC0415  (compiles)

        return add_products(products, *self._read(serving.piece, among_changes))

    def _fits(self, tensor: TensorPlan) -> bool:
        if not self._is_there:
            return False
        if tensor.key not in self._fitting:
            models = range(BASE if self._plan.has_base else 0, self._plan.n)
            read = {self._inputs.source(i).tensors[tensor.key].dtype for i in models}
            self._fitting[tensor.key] = len(read) == 1 and read <= {*DTYPES}
        return self._fitting[tensor.key]

    def _combination(self, serving: Serving) -> Combination | None:
        linear = self._plan.method.linear
        assert linear is not None
        feeds = [serving.feed(use, self._stage) for use in linear.feeds]
        return linear.fn(*feeds, **serving.knobs(self._stage, linear))

    def _read_changes(
        self, piece: Piece, wanted: Sequence[int] | None = None
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Return a piece of all experts, or of those that are wanted, and of the base."""
        experts = range(self._plan.n) if wanted is None else wanted
        return [self._read_one(i, piece) for i in experts], self._read_one(BASE, piece)

    def _read(self, piece: Piece, with_base: bool) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Return a piece of the experts, and of the base where it is wanted, as it is stored."""
        if with_base:
            return self._read_changes(piece)
        return [self._read_one(i, piece) for i in range(self._plan.n)], None

    def _read_one(self, i: int, piece: Piece) -> np.ndarray:
        return stored(self._inputs.source(i).read(piece.first.key, piece.start, piece.stop))


def _room(tensor: TensorPlan, entries: int) -> Tensor:
    """Return memory for some entries in the dtype that a tensor is written in."""
    return torch.empty(entries, dtype=getattr(torch, TORCH_NAMES[tensor.out_dtype]))


def stored(values: Tensor) -> np.ndarray:
    """Return a tensor's memory as an array; bfloat16 as uint16, which numpy knows."""
    return (values.view(torch.uint16) if values.dtype == torch.bfloat16 else values).numpy()

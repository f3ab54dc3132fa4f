"""One piece in, one merged piece out, checked, rounded, and wherever it is computed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import ceil
from threading import Event, Lock
from typing import NamedTuple

from merger.adapted import change_of
from merger.checkpoint import Checkpoint
from merger.devices.device import Device, Host
from merger.feeds import Serving
from merger.footprint import pieces_at_once
from merger.formula import averaged, merged, merged_model
from merger.inputs import CheckpointInputs, is_finite
from merger.kernels.choice import FastForms
from merger.lazy import Tensor, torch
from merger.passes import survey_block
from merger.pieces import BLOCK, Piece, cut_up
from merger.plan import BASE, Plan, TensorPlan
from merger.progress import Report, check_cancel
from merger.rounding import overflow, round_once, torch_dtype
from merger.survey import Survey, SurveyCache

# Pieces that a device holds beside those of the processor: the base once more, while it serves
# two feeds, and values in the dtype that they are stored or written in.
BESIDE = 2.0


class Block(NamedTuple):
    """Entries start to stop of one tensor, merged or copied by one call."""

    key: str
    start: int
    stop: int


def prepare(
    plan: Plan,
    base: Checkpoint | None,
    experts: Sequence[Checkpoint],
    *,
    cache: SurveyCache | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    device: Device | None = None,
    data: Mapping[str, Sequence[Checkpoint]] | None = None,
    fast: FastForms | None = None,
) -> "Prepared":
    """Take the statistics that the method needs, and get ready to merge block by block.

    Args:
        plan: What happens to each tensor.
        base: The checkpoint that the experts were fine-tuned from.
        experts: One per expert of the recipe, in order.
        cache: Results of earlier surveys of the same models.
        report: Told how far the survey is.
        cancel: Stops the survey, and every block after it.
        device: Where methods compute; the processor when None.
        data: For each feed from calibration data, one checkpoint per expert.
        fast: The merge's faster forms; looked for when None.
    """
    device = Host() if device is None else device
    inputs = device.inputs(plan, base, experts, data)
    fast = FastForms(plan, inputs, device.name) if fast is None else fast
    survey = Survey(plan, inputs, cache, report, cancel, fast)
    prepared = Prepared(plan, inputs, survey, fast, cancel, device)
    if prepared.is_surveyed:
        block = survey_block(device.name)
        longest = min(block, max((tensor.numel for tensor in plan.merged), default=0))
        device.run(survey.take, partial(prepared.bytes_for, None, longest), "")
    else:
        survey.take()
    return prepared


class Prepared:
    """A merge that is ready to run; blocks may be merged in any order, from many threads."""

    def __init__(
        self,
        plan: Plan,
        inputs: CheckpointInputs,
        survey: Survey,
        fast: FastForms,
        cancel: Event | None = None,
        device: Device | None = None,
    ) -> None:
        self.plan = plan
        self._inputs = inputs
        self._survey = survey
        self._cancel = cancel
        self._device = Host() if device is None else device
        self._pieces: dict[tuple[tuple[int, ...], ...], float] = {}
        self._lock = Lock()
        self._fast = fast
        self._whole: Mapping[str, Tensor] | None = None

    @property
    def is_surveyed(self) -> bool:
        """Whether something is measured of a tensor before its first entry is merged."""
        return any(use.feed.surveyed for stage in self.plan.stages for use in stage.method.feeds)

    @property
    def by_tensor(self) -> bool:
        """Whether a tensor takes much time before its first block, or is a single one."""
        pieces = {self._fast.piece(tensor) for tensor in self.plan.merged}
        return self.is_surveyed or not pieces <= {"element", "row"}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the experts when each gets a model of its own, else nothing."""
        return self.plan.names if self.plan.method.output == "per_task" else ()

    def blocks(self, block_size: int = BLOCK) -> Iterator[Block]:
        """Yield the blocks of every tensor in order; where the method needs more, longer ones."""
        for tensor in self.plan.tensors:
            yield from self._blocks_of(tensor, block_size)

    def _blocks_of(self, tensor: TensorPlan, block_size: int) -> Iterator[Block]:
        scope = self._fast.piece(tensor) if tensor.action == "merge" else "element"
        for piece in cut_up(tensor, scope, block_size):
            yield Block(tensor.key, piece.start, piece.stop)

    def merge_block(self, block: Block) -> Tensor:
        """Return the merged entries, flat, in the dtype they are written in.

        Methods that give one model per expert return (n, length).

        Raises:
            FeedError: an input holds NaN or infinity.
            MergeError: a result is not finite.
            Cancelled: somebody asked to stop.
        """
        check_cancel(self._cancel)
        tensor = self.plan.by_key[block.key]
        if tensor.action not in ("merge", "mean"):
            return self._copy(tensor, block)
        if block.start == block.stop:
            shape = (self.plan.n, 0) if self.outputs else (0,)
            return torch.empty(shape, dtype=torch_dtype(tensor.out_dtype))
        if tensor.action == "merge" and self.plan.scope_at(tensor.settings) == "model":
            return round_once(self._model()[block.key][..., block.start : block.stop], tensor)
        work = partial(self._merged, tensor, block)
        need = partial(self.bytes_for, tensor, block.stop - block.start)
        return self._device.run(work, need, block.key)

    def merge_parts(self, block: Block) -> Iterator[tuple[int, Tensor]]:
        """Yield what `merge_block` returns part by part, each with its first entry.

        A part is overwritten by the next one. Parts that came once may come again, as the same
        numbers: the slow form begins anew where the faster one ends early.
        """
        check_cancel(self._cancel)
        tensor, at = self.plan.by_key[block.key], block.start
        if tensor.action == "merge" and self._device.name == "cpu":
            for values in self._fast.parts(self._serving(tensor, block)):
                yield at, values
                at += len(values)
        if at < block.stop or at == block.start:
            yield block.start, self.merge_block(block)

    def merge_tensor(self, key: str) -> Tensor:
        """Return a whole tensor, merged block by block, flat or (n, entries)."""
        tensor = self.plan.by_key[key]
        merged: Tensor | None = None
        for block in self._blocks_of(tensor, BLOCK):
            values = self.merge_block(block)
            if merged is None:
                merged = torch.empty((*values.shape[:-1], tensor.numel), dtype=values.dtype)
            merged[..., block.start : block.stop] = values
        assert merged is not None
        return merged

    def bytes_for(self, tensor: TensorPlan | None, entries: int) -> int:
        """Return how many bytes of its memory a device takes for one block, at most.

        Args:
            tensor: Which tensor; None for statistics over all of them.
            entries: Length of the block.
        """
        only: tuple[tuple[int, ...], ...] = ()
        tensors = self.plan.merged if tensor is None else (tensor,)
        whole = [t for t in tensors if self.plan.scope_at(t.settings) not in ("element", "row")]
        if whole:
            largest = max(whole, key=lambda t: t.numel)
            only, entries = (largest.shape,), max(entries, largest.numel)
        if only not in self._pieces:
            self._pieces[only] = pieces_at_once(self.plan, only) + BESIDE
        return ceil(4 * self._pieces[only] * entries)

    def _merged(self, tensor: TensorPlan, block: Block) -> Tensor:
        """Return the merged entries of a block in main memory, wherever they are computed."""
        if tensor.action == "mean":
            piece = Piece((tensor,), block.start, block.stop)
            values = averaged(self.plan, self._inputs, piece)
        else:
            fast = self._fast.merge(self._serving(tensor, block), self._survey)
            if fast is not None:
                return fast
            values = self._plain(tensor, block)
        if tensor.out_dtype == "F64":
            # The narrower one crosses; and not every device knows the wider one.
            values = self._device.fetch(values)
        return self._device.fetch(round_once(values, tensor))

    def _serving(self, tensor: TensorPlan, block: Block) -> Serving:
        piece = Piece((tensor,), block.start, block.stop)
        return Serving(self.plan, self._inputs, self._survey, piece)

    def _plain(self, tensor: TensorPlan, block: Block) -> Tensor:
        """Return merged entries by the method itself, which may need the whole tensor for them."""
        if self.plan.scope_at(tensor.settings) == self._fast.piece(tensor):
            return merged(self._serving(tensor, block))
        whole = block._replace(start=0, stop=tensor.numel)
        return merged(self._serving(tensor, whole))[block.start : block.stop]

    def change(self, key: str) -> Tensor:
        """Return what the merge adds to a tensor of the base: flat, float32, not rounded again."""
        check_cancel(self._cancel)
        tensor = self.plan.by_key[key]
        piece = Piece((tensor,), 0, tensor.numel)
        if tensor.action not in ("merge", "mean"):
            return self._copied_change(tensor)
        if tensor.action == "mean":
            values = averaged(self.plan, self._inputs, piece) - self._inputs.base(piece)
        elif self.plan.scope_at(tensor.settings) == "model":
            values = self._model()[key] - self._inputs.base(piece)
        else:
            serving = Serving(self.plan, self._inputs, self._survey, piece)
            values = serving.update(sum(stage.label == "after" for stage in self.plan.stages))
        if not is_finite(values):
            raise overflow(values, key, "float32", "Lower scale or the coefficients.")
        return values

    def _copied_change(self, tensor: TensorPlan) -> Tensor:
        assert tensor.source is not None
        base, source = self._inputs.source(BASE), self._inputs.source(tensor.source)
        known = change_of(source, base, tensor.key)
        if known is not None:
            return known
        return source.read(tensor.key).to(torch.float32) - base.read(tensor.key).to(torch.float32)

    def _copy(self, tensor: TensorPlan, block: Block) -> Tensor:
        assert tensor.source is not None
        values = self._inputs.source(tensor.source).read(block.key, block.start, block.stop)
        values = values.to(torch_dtype(tensor.out_dtype))
        return values.expand(self.plan.n, -1) if self.outputs else values

    def _model(self) -> Mapping[str, Tensor]:
        with self._lock:
            if self._whole is None:
                need = partial(self.bytes_for, None, self.plan.numel)
                self._whole = self._device.run(self._merged_model, need, "the whole model")
            return self._whole

    def _merged_model(self) -> Mapping[str, Tensor]:
        found = merged_model(self.plan, self._inputs, self._survey)
        return {key: self._device.fetch(values) for key, values in found.items()}

"""Pieces of the models on the device that this thread works on."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from merger.adapted import change_of
from merger.checkpoint import Checkpoint
from merger.devices.draws import uniforms_on
from merger.devices.lanes import Lane
from merger.inputs import CheckpointInputs
from merger.lazy import Tensor, torch
from merger.pieces import Piece
from merger.plan import Plan


class StagedInputs(CheckpointInputs):
    """Pieces brought to a device as they are stored, and widened and subtracted there.

    A thread that works on no device gets them in main memory.

    Args:
        plan: What is merged.
        base: The base, if any.
        experts: All experts of the recipe, in order.
        data: For each feed from calibration data, one checkpoint per expert.
        lane: Returns the lane that this thread works in, if it is in one.
    """

    def __init__(
        self,
        plan: Plan,
        base: Checkpoint | None,
        experts: Sequence[Checkpoint],
        data: Mapping[str, Sequence[Checkpoint]] | None,
        lane: Callable[[], Lane | None],
    ) -> None:
        super().__init__(plan, base, experts, data)
        self._near = CheckpointInputs(plan, base, experts, data)
        self._lane = lane

    @property
    def device(self) -> Any:
        """Where this thread finds its pieces."""
        lane = self._lane()
        return self._near.device if lane is None else lane.driver.device

    def base(self, piece: Piece) -> Tensor:
        """Return the base's entries, (length,)."""
        lane = self._lane()
        if lane is None:
            return self._near.base(piece)
        row = self._base_on(lane, piece)
        _check(row, lambda: self._near.base(piece))
        return row

    def deltas(self, piece: Piece) -> Tensor:
        """Return the task vectors before any coefficient, (n, length)."""
        lane = self._lane()
        if lane is None:
            return self._near.deltas(piece)
        stack = lane.empty(self._plan.n, len(piece))
        place = (piece.first.key, piece.start, piece.stop)
        for row, model in zip(stack, self._experts[: self._plan.n], strict=True):
            change = change_of(model, self._base, *place)
            if change is not None:
                lane.send(change, row)
                continue
            lane.send(model.read(*place), row)
            torch.sub(row, self._base_on(lane, piece), out=row)
        # What is not finite stays so when something is taken off it.
        _check(stack, lambda: self._near.deltas(piece))
        return stack

    def uniform(self, piece: Piece, salt: str) -> Tensor:
        """Return random numbers in [0, 1), (n, length): those of the processor on any device."""
        lane = self._lane()
        if lane is None:
            return self._near.uniform(piece, salt)
        return uniforms_on(lane.driver.device, self._keys(piece, salt), piece.start, piece.stop)

    def theta(self, piece: Piece) -> Tensor:
        """Return the experts' entries, (n, length)."""
        lane = self._lane()
        if lane is None:
            return self._near.theta(piece)
        return self._rows(lane, self._experts, piece, lambda: self._near.theta(piece))

    def data(self, feed: str, piece: Piece) -> Tensor:
        """Return what was computed from calibration data, (n, length)."""
        lane = self._lane()
        if lane is None:
            return self._near.data(feed, piece)
        return self._rows(lane, self._data[feed], piece, lambda: self._near.data(feed, piece))

    def _rows(
        self,
        lane: Lane,
        models: Sequence[Checkpoint],
        piece: Piece,
        read_again: Callable[[], object],
    ) -> Tensor:
        stack = lane.empty(self._plan.n, len(piece))
        for row, model in zip(stack, models[: self._plan.n], strict=True):
            lane.send(model.read(piece.first.key, piece.start, piece.stop), row)
        _check(stack, read_again)
        return stack

    def _base_on(self, lane: Lane, piece: Piece) -> Tensor:
        if lane.base is None or lane.base[0] is not piece:
            assert self._base is not None
            row = lane.empty(len(piece))
            lane.send(self._base.read(piece.first.key, piece.start, piece.stop), row)
            lane.base = (piece, row)
        return lane.base[1]


def _check(sent: Tensor, read_again: Callable[[], object]) -> None:
    """Look whether all numbers are finite; where their sum is not, main memory has the words."""
    if not isfinite(sent.sum().item()):
        read_again()

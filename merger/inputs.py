"""Where pieces of the models come from: checkpoints that are read block by block."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from merger.adapted import change_of, is_on
from merger.checkpoint import Checkpoint
from merger.errors import FeedError
from merger.lazy import Tensor, torch
from merger.pieces import Piece
from merger.plan import BASE, Plan
from merger.randomness import key_of, uniforms


class Inputs(Protocol):
    """What the engine reads pieces from; everything is float32 and flat."""

    @property
    def device(self) -> Any:
        """Where the pieces are, as torch calls it."""
        ...

    @property
    def only_differences(self) -> bool:
        """Whether every task vector is an expert minus the base, and nothing more exact."""
        ...

    def base(self, piece: Piece) -> Tensor:
        """Return the base's entries, (length,)."""
        ...

    def theta(self, piece: Piece) -> Tensor:
        """Return the experts' entries, (n, length)."""
        ...

    def deltas(self, piece: Piece) -> Tensor:
        """Return the task vectors before any coefficient, (n, length)."""
        ...

    def uniform(self, piece: Piece, salt: str) -> Tensor:
        """Return random numbers in [0, 1), (n, length)."""
        ...

    def data(self, feed: str, piece: Piece) -> Tensor:
        """Return what was computed from calibration data, (n, length)."""
        ...


class CheckpointInputs:
    """Pieces read from checkpoints, checked to be finite.

    Args:
        plan: What is merged.
        base: The base, if any.
        experts: All experts of the recipe, in order.
        data: For each feed from calibration data, one checkpoint per expert.
    """

    def __init__(
        self,
        plan: Plan,
        base: Checkpoint | None,
        experts: Sequence[Checkpoint],
        data: Mapping[str, Sequence[Checkpoint]] | None = None,
    ) -> None:
        self._plan = plan
        self._base = base
        self._experts = list(experts)
        self._data = dict(data or {})

    @property
    def device(self) -> Any:
        """Where the pieces are: in main memory."""
        return "cpu"

    def source(self, index: int) -> Checkpoint:
        """Return an expert by its place in the recipe, or the base."""
        if index != BASE:
            return self._experts[index]
        assert self._base is not None
        return self._base

    def base(self, piece: Piece) -> Tensor:
        """Return the base's entries, (length,)."""
        assert self._base is not None
        return _read(self._base, piece)

    def theta(self, piece: Piece) -> Tensor:
        """Return the experts' entries, (n, length)."""
        return self._stack(self._experts, piece)

    def deltas(self, piece: Piece) -> Tensor:
        """Return the task vectors before any coefficient, (n, length)."""
        stack = torch.empty((self._plan.n, len(piece)), dtype=torch.float32)
        base = None
        for row, model in zip(stack, self._experts[: self._plan.n], strict=True):
            change = change_of(model, self._base, piece.first.key, piece.start, piece.stop)
            if change is not None:
                row.copy_(_checked(change, model, piece))
                continue
            base = self.base(piece) if base is None else base
            torch.sub(_read(model, piece), base, out=row)
        return stack

    @property
    def only_differences(self) -> bool:
        """Whether every task vector is an expert minus the base, and nothing more exact."""
        return not any(is_on(model, self._base) for model in self._experts)

    def uniform(self, piece: Piece, salt: str) -> Tensor:
        """Return random numbers in [0, 1), (n, length)."""
        found = np.empty((self._plan.n, len(piece)), np.float32)
        for row, key in zip(found, self._keys(piece, salt), strict=True):
            row[:] = uniforms(key, piece.start, piece.stop)
        return torch.from_numpy(found)

    def _keys(self, piece: Piece, salt: str) -> list[int]:
        """Return what each expert's draws for the piece's tensor are keyed by."""
        names = self._plan.names
        return [key_of(self._plan.seed, name, piece.first.key, salt) for name in names]

    def data(self, feed: str, piece: Piece) -> Tensor:
        """Return what was computed from calibration data, (n, length)."""
        return self._stack(self._data[feed], piece)

    def _stack(self, models: Sequence[Checkpoint], piece: Piece) -> Tensor:
        stack = torch.empty((self._plan.n, len(piece)), dtype=torch.float32)
        for row, model in zip(stack, models[: self._plan.n], strict=True):
            row.copy_(_read(model, piece))
        return stack


def _read(model: Checkpoint, piece: Piece) -> Tensor:
    key = piece.first.key
    return _checked(model.read(key, piece.start, piece.stop).to(torch.float32), model, piece)


def _checked(values: Tensor, model: Checkpoint, piece: Piece) -> Tensor:
    if not is_finite(values):
        raise FeedError(
            f"{model.label}: {piece.first.key} holds NaN or infinity.",
            "Choose a checkpoint whose numbers are finite.",
        )
    return values


def is_finite(values: Tensor) -> bool:
    """Return whether every entry is a finite number."""
    if values.numel() == 0:
        return True
    if values.device.type != "cpu" and math.isfinite(values.sum(dtype=torch.float32).item()):
        # One number comes over; a sum that is not finite need not mean that an entry is not.
        return True
    low, high = torch.aminmax(values.cpu())
    return math.isfinite(low.item()) and math.isfinite(high.item())

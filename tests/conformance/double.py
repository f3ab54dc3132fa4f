"""Our methods on one tensor in double precision, so that rounding hides no difference."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from merger.checkpoint import MemoryCheckpoint
from merger.feeds import Serving
from merger.formula import merged
from merger.inputs import CheckpointInputs
from merger.pieces import Piece
from merger.plan import plan
from merger.recipe import Expert, Recipe, Step
from merger.spec import METHODS
from merger.survey import Survey

KEY = "layers.0.w"


class DoubleInputs(CheckpointInputs):
    """Models handed out in double precision, as they are stored."""

    def base(self, piece: Piece) -> Tensor:
        """Return the base's entries, (length,)."""
        assert self._base is not None
        return self._base.read(KEY, piece.start, piece.stop)

    def theta(self, piece: Piece) -> Tensor:
        """Return the experts' entries, (n, length)."""
        models = self._experts[: self._plan.n]
        return torch.stack([model.read(KEY, piece.start, piece.stop) for model in models])

    def deltas(self, piece: Piece) -> Tensor:
        """Return the task vectors before any coefficient, (n, length)."""
        return self.theta(piece) - self.base(piece)


def merge_doubles(
    method: str,
    experts: Sequence[Tensor],
    base: Tensor | None,
    params: Mapping[str, Any] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    after: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> Tensor:
    """Merge one tensor of each model with the engine's own parts, in double precision.

    One model per expert comes as a stack, (n, *shape).
    """
    names = tuple(Expert(f"m:{i}", f"e{i}") for i in range(len(experts)))
    made = Recipe(
        method,
        names,
        None if base is None else "m:base",
        params=dict(params or {}),
        weights=None if weights is None else tuple(weights),
        seed=seed,
        after=tuple(Step(verb, dict(knobs)) for verb, knobs in after),
    )
    root = None if base is None else MemoryCheckpoint({KEY: base}, "base")
    models = [MemoryCheckpoint({KEY: e}, f"e{i}") for i, e in enumerate(experts)]
    planned = plan(made, root, models)
    inputs = DoubleInputs(planned, root, models)
    survey = Survey(planned, inputs)
    survey.take()
    (tensor,) = planned.merged
    found = merged(Serving(planned, inputs, survey, Piece((tensor,), 0, tensor.numel)))
    each = METHODS[method].output == "per_task"
    return found.reshape([len(experts), *tensor.shape] if each else tensor.shape)

"""Statistics over a tensor or the whole model: elected signs, sizes, inner products, ranks."""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from merger.feeds import Serving
from merger.lazy import Tensor, torch
from merger.passes import SurveyCache, place_of, signature_of
from merger.pieces import BLOCK, LONG_BLOCK, Piece
from merger.plan import TensorPlan
from merger.products import add_products
from merger.ranking import Ranking
from merger.settings import Stage
from merger.signature import FeedUse, Of
from merger.sums import l1, sum_of_squares

__all__ = ["Survey", "SurveyCache"]


class Survey(Ranking):
    """Takes statistics as they are asked for, and keeps them."""

    def take(self, stages: Sequence[Stage] | None = None) -> None:
        """Take the statistics over the whole model that the settings ask for."""
        for stage in self.plan.stages if stages is None else stages:
            for use in _surveyed(stage):
                knobs = [stage.knobs(s) for s in self._variants()]
                if not any(use.of.scope_at(k) == "global" and use.of.wanted_at(k) for k in knobs):
                    continue
                if use.feed.name == "cut":
                    self._global_cuts(stage, use)
                if use.feed.name == "l1":
                    self._l1_of(stage, use.of, self.plan.merged, "")
                if use.feed.name == "norms":
                    self._norms_of(stage, use.of, self.plan.merged, "")
                if use.feed.name == "ordered" and self.plan.numel:
                    self._ordered_of(stage, use.of, self.plan.merged, "")
                if use.feed.name == "sizes":
                    self._sizes_of(stage, use.of)
        # What is taken later happens between blocks, whose own progress counts then.
        self._report = None

    def serve(self, piece: Piece) -> Serving:
        """Return a piece, ready to be asked for feeds."""
        return Serving(self.plan, self.inputs, self, piece)

    def majority(self, serving: Serving, stage: Stage, use: FeedUse) -> float:
        """Return the sign that most entries elect over the tensor or the model: -1, 0 or 1."""
        return self.majority_of(serving.piece.first, stage, use.of)

    def majority_of(self, tensor: TensorPlan, stage: Stage, of: Of) -> float:
        """Return the sign that most entries elect, over this tensor or the model."""

        def count() -> float:
            is_global = of.scope_at(stage.knobs(tensor.settings)) == "global"
            return self._majority(stage, of, self._of_scope(stage, of) if is_global else (tensor,))

        return self._keep(_name_of_majority(tensor, stage, of), count)

    def known_majority(self, tensor: TensorPlan, stage: Stage, of: Of) -> float | None:
        """Return what `majority_of` returns, if it was asked before."""
        return self._known.get(_name_of_majority(tensor, stage, of))

    def gram(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return inner products over the tensor, (n, n) float64."""
        tensor = serving.piece.first
        name = (use.feed.name, use.of, stage.label, stage.index, tensor.key)
        products = self._keep(name, lambda: self._products(tensor, stage, use))
        if use.feed.name == "gram" and use.of.on is None and stage.label != "before":
            weights = np.array(tensor.weights)
            products = products * np.outer(weights, weights)
        return torch.from_numpy(products)

    def l1(self, serving: Serving, stage: Stage, use: FeedUse) -> Any:
        """Return the sum of magnitudes over the tensor or the model, or one per expert."""
        tensor = serving.piece.first
        if use.of.scope_at(stage.knobs(tensor.settings)) == "global":
            return self._l1_of(stage, use.of, self.plan.merged, "")
        return self._l1_of(stage, use.of, (tensor,), tensor.key)

    def sizes(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return each expert's sums of magnitudes and of mean magnitudes, (2, n)."""
        return torch.from_numpy(self._sizes_of(stage, use.of))

    def norms(self, serving: Serving, stage: Stage, use: FeedUse) -> tuple[float, ...]:
        """Return the lengths of the task vectors, or the one of a result, over the scope."""
        tensor = serving.piece.first
        if use.of.scope_at(stage.knobs(tensor.settings)) == "global":
            return self._norms_of(stage, use.of, self.plan.merged, "")
        return self._norms_of(stage, use.of, (tensor,), tensor.key)

    def costly(self, serving: Serving, stage: Stage, of: Of) -> Tensor:
        """Return what a slow function gives for the piece, flat."""
        assert of.on is not None
        return serving.evaluate(stage, signature_of(of.on))

    def _of_scope(self, stage: Stage, of: Of) -> tuple[TensorPlan, ...]:
        return tuple(
            t for t in self.plan.merged if of.scope_at(stage.knobs(t.settings)) == "global"
        )

    def _majority(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> float:
        assert of.on is not None
        if self._fast is not None and stage.label == "merge":
            pieces = partial(self._pieces, tensors, "Counting signs")
            counted = self._fast.balance(tensors, pieces, self)
            if counted is not None:
                return float(np.sign(counted))
        balance = 0
        for serving in self._pieces(tensors, "Counting signs"):
            elected = serving.evaluate(stage, signature_of(of.on))
            balance += int((elected > 0).sum()) - int((elected < 0).sum())
        return float(np.sign(balance))

    def _sizes_of(self, stage: Stage, of: Of) -> np.ndarray:
        return self._keep(("sizes", place_of(stage), of), lambda: self._sizes_pass(stage, of))

    def _sizes_pass(self, stage: Stage, of: Of) -> np.ndarray:
        result = np.zeros((2, self.plan.n))
        for serving in self._pieces(self.plan.merged, "Measuring sizes"):
            stack = (
                serving.deltas(stage, weighted=True)
                if of.on is None
                else serving.evaluate(stage, signature_of(of.on))
            )
            sums = np.array([l1(row) for row in stack])
            result += np.stack([sums, sums / serving.piece.first.numel])
        return result

    def _products(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> np.ndarray:
        if use.of.on is not None or stage.label != "merge" or len(self.plan.stages) > 1:
            return self._gram(tensor, stage, use)
        # Of the models alone: known from other settings, if there were some.
        name = ("products", use.feed.name, self.plan.names, tensor.key)
        return self.cache.get_or_make(name, lambda: self._gram(tensor, stage, use))

    def _gram(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> np.ndarray:
        n = self.plan.n
        products = np.zeros((n, n))
        fast = self._fast is not None and self._fast.multiplies(tensor, use)
        # Where products are made as numbers are read, long pieces only save calls.
        for serving in self._pieces((tensor,), "", LONG_BLOCK if fast else BLOCK):
            if self._fast is not None and self._fast.add_products(products, serving, use):
                continue
            if use.of.on is not None:
                stack = serving.evaluate(stage, signature_of(use.of.on), weighted=False)
            else:
                of_weights = use.feed.name == "weight_gram"
                stack = serving.theta() if of_weights else serving.deltas(stage)
            add_products(products, stack.cpu().numpy())
        return products

    def _l1_of(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan], scope_name: str) -> Any:
        name = ("l1", place_of(stage), of, scope_name)
        return self._keep(name, lambda: self._l1_pass(stage, of, tensors))

    def _l1_pass(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> Any:
        assert of.on is not None
        function = signature_of(of.on)
        per_expert = function.output == "deltas"
        result = [0.0] * (self.plan.n if per_expert else 1)
        for serving in self._pieces(tensors, "Measuring sizes"):
            found = serving.evaluate(stage, function)
            rows = found if per_expert else [found]
            result = [size + l1(row) for size, row in zip(result, rows, strict=True)]
        return tuple(result) if per_expert else result[0]

    def _norms_of(
        self, stage: Stage, of: Of, tensors: Sequence[TensorPlan], scope_name: str
    ) -> tuple[float, ...]:
        name = ("norms", place_of(stage), of, scope_name)
        return self._keep(name, lambda: self._norms_pass(stage, of, tensors))

    def _norms_pass(
        self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]
    ) -> tuple[float, ...]:
        found: list[float] = []
        for serving in self._pieces(tensors, "Measuring lengths"):
            values = serving.deltas(stage, True) if of.on is None else serving.costly(stage, of)
            squares = [sum_of_squares(row) for row in values.reshape(-1, len(serving.piece))]
            found = [a + b for a, b in zip(found or [0.0] * len(squares), squares, strict=True)]
        return tuple(sqrt(square) for square in found)


def _name_of_majority(tensor: TensorPlan, stage: Stage, of: Of) -> tuple[Any, ...]:
    is_global = of.scope_at(stage.knobs(tensor.settings)) == "global"
    return ("majority", place_of(stage), of, "" if is_global else tensor.key)


def _surveyed(stage: Stage) -> list[FeedUse]:
    return [use for use in stage.method.feeds if use.feed.surveyed]

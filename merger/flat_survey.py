"""Statistics over models in memory, kept while settings move."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from merger.cuts import ALL, Cut, cut_of, survives
from merger.feeds import Serving
from merger.flat_view import FlatView, Run
from merger.lazy import Tensor, torch
from merger.pieces import Piece, cut_up
from merger.plan import Plan, TensorPlan
from merger.settings import Stage
from merger.signature import FeedUse, Of
from merger.survey import IN_MEMORY, Survey, signature_of


class FlatSurvey(Survey):
    """A survey that looks up what earlier settings of the same models had computed.

    Args:
        plan: What is merged.
        view: The models.
    """

    def __init__(self, plan: Plan, view: FlatView) -> None:
        super().__init__(plan, view, view.cache)
        self._view = view
        self._models = (plan.names, tuple(t.key for t in plan.merged))
        self.results: Tensor | None = None

    def serve(self, piece: Piece) -> Serving:
        """Return a piece, with what the method gave for it where that is known."""
        known = None if self.results is None else self.results[..., self._view.place(piece)]
        return Serving(self.plan, self._view, self, piece, result=known)

    def mask(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return 1 where entries of the piece survive a cut and 0 elsewhere, (n, length)."""
        run = self._view.run_of[serving.piece.first.key]
        name = ("mask", stage.label, stage.index, use.of, run.start)
        whole = self._keep(name, lambda: self._run_mask(run, stage, use))
        at = self._view.place(serving.piece).start - run.start
        return whole[:, at : at + len(serving.piece)]

    def _run_mask(self, run: Run, stage: Stage, use: FeedUse) -> Tensor:
        cuts = tuple(tuple(self.cuts(tensor, stage, use)) for tensor in run.tensors)
        seen = self._seen(stage, use.of, run.tensors[:1])
        key = ("mask", self._models, run.start, run.stop, seen, cuts)
        return self.cache.get_or_make(key, lambda: self._make_mask(run, stage, use, cuts))

    def _make_mask(
        self, run: Run, stage: Stage, use: FeedUse, cuts: Sequence[Sequence[Cut]]
    ) -> Tensor:
        mask = np.empty((self.plan.n, run.stop - run.start), np.float32)
        at = 0
        for tensor, by_expert in zip(run.tensors, cuts, strict=True):
            for piece in cut_up(tensor, self.plan.scope_at(tensor.settings)):
                first = self._index(piece, stage, use.of)
                magnitudes = self._ranked(piece, stage, use.of)
                for i, (row, cut) in enumerate(zip(magnitudes, by_expert, strict=True)):
                    mask[i, at : at + len(piece)] = survives(row, cut, first)
                at += len(piece)
        return torch.from_numpy(mask)

    def _ranked(self, piece: Piece, stage: Stage, of: Of) -> np.ndarray:
        """Return |values| that a cut ranks, (n, length)."""
        known = self._known.get(("magnitudes", stage.label, stage.index, of, piece.first.key))
        if known is None:
            return self._magnitudes(self.serve(piece), stage, of)
        return known[:, piece.start : piece.stop]

    def _select(
        self,
        tensors: Sequence[TensorPlan],
        stage: Stage,
        of: Of,
        wanted: Sequence[Iterable[int]],
        entries: int,
    ) -> list[dict[int, Cut]]:
        seen = self._seen(stage, of, tensors)
        keys = tuple(t.key for t in tensors)
        if seen:
            name = ("cuts", self.plan.names, keys, seen, tuple(frozenset(w) for w in wanted))
            return self.cache.get_or_make(
                name, lambda: self._select_changed(tensors, stage, of, wanted, entries)
            )
        found = []
        for i, (expert, counts) in enumerate(zip(self.plan.names, wanted, strict=True)):
            ranks = self.cache.get_or_make(
                ("ranks", expert, keys), lambda row=i: np.sort(self._whole(tensors, row))
            )
            found.append({k: self._cut(tensors, i, k, ranks) for k in counts})
        return found

    def _select_changed(
        self,
        tensors: Sequence[TensorPlan],
        stage: Stage,
        of: Of,
        wanted: Sequence[Iterable[int]],
        entries: int,
    ) -> list[dict[int, Cut]]:
        """Return cuts of values that settings change; those are kept for the mask that follows."""
        if entries * self.plan.n > IN_MEMORY:
            return super()._select(tensors, stage, of, wanted, entries)
        whole = np.empty((self.plan.n, entries), np.float32)
        at = 0
        for run in self._view.runs_over(tensors):
            for piece, _ in run.pieces(self.plan):
                values = self._magnitudes(self.serve(piece), stage, of)
                whole[:, at : at + len(piece)] = values
                at += len(piece)
        at = 0
        for tensor in tensors:
            name = ("magnitudes", stage.label, stage.index, of, tensor.key)
            self._known[name] = whole[:, at : at + tensor.numel]
            at += tensor.numel
        return [
            {k: cut_of(row, k) for k in counts} for row, counts in zip(whole, wanted, strict=True)
        ]

    def _cut(self, tensors: Sequence[TensorPlan], row: int, k: int, ranks: np.ndarray) -> Cut:
        """Return one expert's cut; magnitudes are read only where ties must be told apart."""
        inside = 0 < k < len(ranks)
        if inside and ranks[len(ranks) - k] != ranks[len(ranks) - k - 1]:
            return Cut(float(ranks[len(ranks) - k]), ALL)
        return cut_of(self._whole(tensors, row) if inside else ranks, k, ranks)

    def _whole(self, tensors: Sequence[TensorPlan], row: int) -> np.ndarray:
        """Return the magnitudes of one expert over some tensors."""
        parts = [self._view.deltas_of(row, Piece((t,), 0, t.numel)) for t in tensors if t.numel]
        return np.abs(np.concatenate([p.numpy() for p in parts])) if parts else np.empty(0)

    def gram(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return inner products over the tensor, (n, n) float64."""
        tensor = serving.piece.first
        seen = self._seen(stage, Of(), (tensor,))
        name = (use.feed.name, stage.label, stage.index, tensor.key)
        key = ("products", use.feed.name, self.plan.names, tensor.key, seen)
        of_weights = use.feed.name == "weight_gram"
        self._keep(
            name,
            lambda: self.cache.get_or_make(key, lambda: self._gram(tensor, stage, of_weights)),
        )
        return super().gram(serving, stage, use)

    def _seen(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> Any:
        """Return what the values that a statistic is about depend on, besides the models."""
        seen = []
        for tensor in tensors:
            settings = tensor.settings
            before = tuple(tuple(sorted(verb.items())) for verb in settings.before)
            params = () if of.on is None else signature_of(of.on).params
            knobs = tuple((p.name, stage.knobs(settings)[p.name]) for p in params)
            if of.on is not None or before:
                seen.append((of, knobs, before, self.plan.seed))
        # The same for all tensors nearly always, and then said once.
        return tuple(seen[:1] if len(set(seen)) == 1 else seen)

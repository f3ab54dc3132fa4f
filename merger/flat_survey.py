"""Statistics over models in memory, kept while settings move."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from merger.cuts import Cut, cut_of, survives
from merger.feeds import Serving
from merger.flat_view import FlatView, Run
from merger.lazy import Tensor, torch
from merger.passes import signature_of
from merger.pieces import Piece, cut_up
from merger.plan import Plan, TensorPlan
from merger.settings import Stage
from merger.signature import FeedUse, Of
from merger.survey import Survey


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
        """Return the mask of a run, kept for other settings that lead to the same cuts."""
        is_global = use.of.scope_at(stage.knobs(run.tensors[0].settings)) == "global"
        groups = [run.tensors] if is_global else [(tensor,) for tensor in run.tensors]
        cuts = tuple(tuple(self.cuts(group[0], stage, use)) for group in groups)
        seen = self._seen(stage, use.of, run.tensors[:1])
        key = ("mask", self._models, run.start, run.stop, seen, is_global, cuts)
        return self.cache.get_or_make(key, lambda: self._make_mask(run, groups, cuts, stage, use))

    def _make_mask(
        self,
        run: Run,
        groups: Sequence[Sequence[TensorPlan]],
        cuts: Sequence[Sequence[Cut]],
        stage: Stage,
        use: FeedUse,
    ) -> Tensor:
        mask = np.empty((self.plan.n, run.stop - run.start), np.float32)
        at = 0
        for group, by_expert in zip(groups, cuts, strict=True):
            for piece, magnitudes in self._ranked(group, stage, use.of):
                first = self.index_of(piece, stage, use.of)
                for i, (row, cut) in enumerate(zip(magnitudes, by_expert, strict=True)):
                    mask[i, at : at + len(piece)] = survives(row, cut, first)
                at += len(piece)
        return torch.from_numpy(mask)

    def _ranked(
        self, group: Sequence[TensorPlan], stage: Stage, of: Of
    ) -> Iterable[tuple[Piece, np.ndarray]]:
        """Yield neighbouring tensors with the magnitudes that a cut ranks, (n, length)."""
        whole = self._whole(stage, of)
        if whole is not None:
            start, size = group[0].offset, sum(t.numel for t in group)
            yield Piece(tuple(group), 0, size), whole[:, start : start + size]
            return
        for tensor in group:
            for piece in cut_up(tensor, self.plan.scope_at(tensor.settings)):
                yield piece, self._magnitudes(self.serve(piece), stage, of)

    def _select(
        self,
        tensors: Sequence[TensorPlan],
        stage: Stage,
        of: Of,
        wanted: Sequence[Iterable[int]],
        entries: int,
    ) -> list[dict[int, Cut]]:
        seen = self._seen(stage, of, tensors)
        counts = tuple(tuple(sorted(w)) for w in wanted)
        key = ("cuts", self._models, tensors[0].offset, entries, seen, counts)
        return self.cache.get_or_make(
            key, lambda: self._select_now(tensors, stage, of, wanted, entries)
        )

    def _select_now(
        self,
        tensors: Sequence[TensorPlan],
        stage: Stage,
        of: Of,
        wanted: Sequence[Iterable[int]],
        entries: int,
    ) -> list[dict[int, Cut]]:
        whole = self._whole(stage, of)
        if whole is None:
            return super()._select(tensors, stage, of, wanted, entries)
        start = tensors[0].offset
        rows = whole[:, start : start + entries]
        return [
            {k: cut_of(row, k) for k in counts} for row, counts in zip(rows, wanted, strict=True)
        ]

    def _whole(self, stage: Stage, of: Of) -> np.ndarray | None:
        """Return the magnitudes that a cut ranks, of all merged entries, if memory holds them."""
        if 4 * self.plan.n * self.plan.numel > self.cache.budget // 2:
            return None
        seen = self._seen(stage, of, self.plan.merged)
        name = ("magnitudes", stage.label, stage.index, of)
        key = ("magnitudes", self._models)
        if seen:
            return self._keep(name, lambda: self._read_whole(stage, of))
        return self.cache.get_or_make(key, lambda: self._read_whole(stage, of))

    def _read_whole(self, stage: Stage, of: Of) -> np.ndarray:
        whole = np.empty((self.plan.n, self.plan.numel), np.float32)
        at = 0
        for run in self._view.runs:
            if run.action != "merge":
                continue
            for piece, _ in run.pieces(self.plan):
                whole[:, at : at + len(piece)] = self._magnitudes(self.serve(piece), stage, of)
                at += len(piece)
        return whole

    def majority(self, serving: Serving, stage: Stage, use: FeedUse) -> Any:
        """Return the sign that most entries elect: one, or one per entry where tensors differ."""
        piece = serving.piece
        is_global = use.of.scope_at(stage.knobs(piece.settings)) == "global"
        if is_global or len(piece.tensors) == 1:
            return super().majority(serving, stage, use)
        signs = [self.majority_of(t, stage, use.of) for t in piece.tensors]
        counts = torch.tensor([t.numel for t in piece.tensors])
        each = torch.tensor(signs).repeat_interleave(counts)
        return each[piece.start : piece.stop]

    def ranks(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return the place of each entry by magnitude in its row or tensor, (n, length)."""
        piece = serving.piece
        if 4 * self.plan.n * self.plan.numel > self.cache.budget // 2:
            return super().ranks(serving, stage, use)
        scope = use.of.scope_at(stage.knobs(piece.settings))
        seen = self._seen(stage, Of(), piece.tensors)
        key = ("ranks", self.plan.names, piece.first.key, piece.start, piece.stop, scope, seen)
        parent = super()
        return self.cache.get_or_make(key, lambda: parent.ranks(serving, stage, use))

    def _ordered(
        self, stage: Stage, of: Of, places: tuple[int, ...], tensors: Sequence[TensorPlan]
    ) -> Mapping[int, np.ndarray]:
        seen = self._seen(stage, of, tensors)
        key = ("ordered", self._models, tensors[0].key, len(tensors), seen, places)
        parent = super()
        return self.cache.get_or_make(key, lambda: parent._ordered(stage, of, places, tensors))

    def _all_values(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> np.ndarray:
        # Kept apart from their order: the places move with a setting, the values do not.
        seen = self._seen(stage, of, tensors)
        key = ("values", self._models, tensors[0].key, len(tensors), seen)
        parent = super()
        return self.cache.get_or_make(key, lambda: parent._all_values(stage, of, tensors))

    def _gram(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> np.ndarray:
        seen = self._seen(stage, Of(on=use.of.on), (tensor,))
        key = ("products", use.feed.name, self.plan.names, tensor.key, seen)
        parent = super()
        return self.cache.get_or_make(key, lambda: parent._gram(tensor, stage, use))

    def costly(self, serving: Serving, stage: Stage, of: Of) -> Tensor:
        """Return what a slow function gives, kept for other settings that it does not take."""
        tensor, parent = serving.piece.first, super()
        assert of.on is not None
        fed = {use.feed.name for use in signature_of(of.on).feeds}
        weights = tensor.weights if fed & {"deltas", "coefficients"} else ()
        seen = self._seen(stage, Of(on=of.on), (tensor,))
        key = ("costly", self.plan.names, tensor.key, seen, weights)
        return self.cache.get_or_make(key, lambda: parent.costly(serving, stage, of))

    def _seen(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> Any:
        """Return what the values that a statistic is about depend on, besides the models."""
        seen: dict[int, Any] = {}
        for tensor in tensors:
            settings = tensor.settings
            if id(settings) not in seen:
                before = tuple(tuple(sorted(verb.items())) for verb in settings.before)
                params = () if of.on is None else signature_of(of.on).params
                knobs = tuple((p.name, stage.knobs(settings)[p.name]) for p in params)
                seen[id(settings)] = (of, knobs, before, self.plan.seed)
        if of.on is None and not any(tensor.settings.before for tensor in tensors):
            return ()
        if len(set(seen.values())) == 1:
            return next(iter(seen.values()))
        return tuple(seen[id(tensor.settings)] for tensor in tensors)

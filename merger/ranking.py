"""Statistics of order: exact cuts, values at places of the order, ranks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from merger.counts import BlockCounts
from merger.cuts import (
    EVERYTHING,
    Cut,
    cut_of,
    cut_there,
    keep_count,
    plain_cuts,
    stream_cuts,
    survives,
)
from merger.feeds import Serving
from merger.footprint import IN_MEMORY
from merger.lazy import Tensor, torch
from merger.order import order_of, ranks_of, stream_order
from merger.passes import Passes, place_of, signature_of
from merger.pieces import Piece, row_length
from merger.plan import TensorPlan
from merger.remembered import remembered_cuts
from merger.settings import Stage
from merger.signature import FeedUse, Of


class Ranking(Passes):
    """Which entries of each expert are the largest, over a tensor or the model."""

    def mask(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return 1 where entries of the piece survive a cut and 0 elsewhere, (n, length)."""
        cuts = self.cuts(serving.piece.first, stage, use)
        if all(cut == EVERYTHING for cut in cuts):
            # Nobody has to look.
            return torch.ones(self.plan.n, len(serving.piece), device=self._device)
        looked_at = self._looked_at(serving, stage, use.of).abs()
        first = self.index_of(serving.piece, stage, use.of)
        rows = looked_at.numpy() if self.inputs.device == "cpu" else looked_at
        for row, cut in zip(rows, cuts, strict=True):
            row[:] = survives(row, cut, first)
        return looked_at

    def cuts(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> list[Cut]:
        """Return each expert's cut for this tensor."""
        knobs = stage.knobs(tensor.settings)
        if use.of.scope_at(knobs) == "global":
            return self._global_cuts(stage, use)[id(tensor.settings)]
        name = ("cut", place_of(stage), use.of, tensor.key)
        return self._keep(name, lambda: self._tensor_cuts(tensor, stage, use))

    def cuts_after(
        self, tensor: TensorPlan, stage: Stage, of: Of, counts: Sequence[tuple[int, ...]]
    ) -> list[dict[int, Cut]]:
        """Return for each expert the cuts that keep so many entries of this tensor."""
        name = ("cuts after", place_of(stage), of, tensor.key, tuple(counts))
        return self._keep(name, lambda: self._select((tensor,), stage, of, counts, tensor.numel))

    def ranks(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return the place of each entry by magnitude in its row or tensor, (n, length)."""
        tensor = serving.piece.first
        by_row = use.of.scope_at(stage.knobs(tensor.settings)) == "row"
        columns = row_length(tensor.shape) if by_row else tensor.numel
        return ranks_of(serving.deltas(stage), columns)

    def ordered(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return values at some places of each expert's ascending order, (places, n)."""
        tensor, knobs = serving.piece.first, stage.knobs(serving.settings)
        is_global = use.of.scope_at(knobs) == "global"
        tensors = self.plan.merged if is_global else (tensor,)
        found = self._ordered_of(stage, use.of, tensors, "" if is_global else tensor.key)
        assert use.of.places is not None
        places = use.of.places(knobs, sum(t.numel for t in tensors))
        return torch.from_numpy(np.stack([found[p] for p in places])).to(self._device)

    def index_of(self, piece: Piece, stage: Stage, of: Of) -> int:
        """Return the index of the piece's first entry in the order of the cut's scope."""
        is_global = of.scope_at(stage.knobs(piece.settings)) == "global"
        return piece.start + (piece.first.offset if is_global else 0)

    def _magnitudes(self, serving: Serving, stage: Stage, of: Of) -> np.ndarray:
        """Return |values| that a cut ranks, (n, length); coefficients do not count."""
        return self._looked_at(serving, stage, of).abs().cpu().numpy()

    def _looked_at(self, serving: Serving, stage: Stage, of: Of) -> Tensor:
        if of.on is None:
            return serving.deltas(stage)
        if of.nonzero:
            return serving.costly(stage, of)
        return serving.evaluate(stage, signature_of(of.on), weighted=False)

    def _tensor_cuts(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> list[Cut]:
        shares = _shares(stage.knobs(tensor.settings)[use.of.knob], self.plan.n)
        entries = self._entries((tensor,), stage, use.of, tensor.key)
        counts = [keep_count(s, e) for s, e in zip(shares, entries, strict=True)]
        found = self._select((tensor,), stage, use.of, [{k} for k in counts], tensor.numel)
        return [cuts[k] for cuts, k in zip(found, counts, strict=True)]

    def _global_cuts(self, stage: Stage, use: FeedUse) -> Mapping[int, list[Cut]]:
        """Return each expert's cut for each distinct settings, by their id.

        Where the share differs between tensors, each takes the cut that its share would give over
        the whole model.
        """
        name = ("cut", place_of(stage), use.of)
        return self._keep(name, lambda: self._find_global_cuts(stage, use))

    def _find_global_cuts(self, stage: Stage, use: FeedUse) -> Mapping[int, list[Cut]]:
        entries = self._entries(self.plan.merged, stage, use.of, "")
        shares = {
            id(settings): _shares(stage.knobs(settings)[use.of.knob], self.plan.n)
            for settings in self._variants()
            if use.of.scope_at(stage.knobs(settings)) == "global"
        }
        counts = {
            at: [keep_count(s, e) for s, e in zip(row, entries, strict=True)]
            for at, row in shares.items()
        }
        wanted = [{row[i] for row in counts.values()} for i in range(self.plan.n)]
        found = self._select(self.plan.merged, stage, use.of, wanted, self.plan.numel)
        return {at: [found[i][k] for i, k in enumerate(row)] for at, row in counts.items()}

    def _entries(
        self, tensors: Sequence[TensorPlan], stage: Stage, of: Of, scope_name: str
    ) -> list[int]:
        """Return for each expert how many entries a share is a share of."""
        if not of.nonzero:
            return [sum(t.numel for t in tensors)] * self.plan.n
        name = ("entries", place_of(stage), of, scope_name)
        return self._keep(name, lambda: self._count_nonzero(tensors, stage, of))

    def _count_nonzero(self, tensors: Sequence[TensorPlan], stage: Stage, of: Of) -> list[int]:
        found = np.zeros(self.plan.n, np.int64)
        for serving in self._pieces(tensors, "Counting changes"):
            found += np.count_nonzero(self._magnitudes(serving, stage, of), axis=1)
        return found.tolist()

    def _select(
        self,
        tensors: Sequence[TensorPlan],
        stage: Stage,
        of: Of,
        wanted: Sequence[Iterable[int]],
        entries: int,
    ) -> list[dict[int, Cut]]:
        """Return the cuts of each expert over some tensors, in memory or streamed."""
        plain = [plain_cuts(counts, entries) for counts in wanted]
        if all(k in cuts for cuts, counts in zip(plain, wanted, strict=True) for k in counts):
            return plain

        def blocks() -> Iterator[tuple[int, np.ndarray]]:
            at = 0
            for serving in self._pieces(tensors, "Ranking changes"):
                yield at, self._magnitudes(serving, stage, of)
                at += len(serving.piece)

        fast = None
        if self._fast is not None and not of.nonzero and stage.label == "merge":
            pieces = partial(self._pieces, tensors, "Ranking changes")
            fast = self._fast.counts(tensors, pieces, stage, of)
        if fast is not None:
            name = ("counts", of.on, self._name_of_counts(tensors, stage, of))
            # Draws fall otherwise at another density: of what they leave, nothing is counted for
            # other settings.
            for_more = of.on is None and self.cache.for_more
            return remembered_cuts(fast, entries, wanted, self.cache, name, for_more)
        there = self._cuts_there(tensors, stage, of, wanted)
        if there is not None:
            return there
        if entries * self.plan.n > IN_MEMORY:
            return stream_cuts(BlockCounts(blocks), entries, wanted)
        rows = [magnitudes for _, magnitudes in blocks()]
        whole = np.concatenate(rows, axis=1) if rows else np.empty((self.plan.n, 0), np.float32)
        return [
            {k: cut_of(row, k) for k in counts} for row, counts in zip(whole, wanted, strict=True)
        ]

    def _cuts_there(
        self, tensors: Sequence[TensorPlan], stage: Stage, of: Of, wanted: Sequence[Iterable[int]]
    ) -> list[dict[int, Cut]] | None:
        """Return the cuts of a tensor that a device has in one piece anyway, found there."""
        if self.inputs.device == "cpu" or len(tensors) > 1:
            return None
        servings = list(self._pieces(tensors, ""))
        if len(servings) > 1:
            return None
        rows = self._looked_at(servings[0], stage, of).abs()
        return [
            {k: cut_there(row, k) for k in counts}
            for row, counts in zip(rows, wanted, strict=True)
        ]

    def _name_of_counts(self, tensors: Sequence[TensorPlan], stage: Stage, of: Of) -> bytes:
        """Return what tells the magnitudes that a cut ranks from others of the same models."""
        said: list[Any] = [self.plan.names, [t.key for t in tensors]]
        if of.on is not None:
            # Changes depend on the models alone; what draws leave of them, on settings.
            asked = [param.name for param in signature_of(of.on).params]
            knobs = [stage.knobs(t.settings) for t in tensors]
            said += [
                self.plan.seed,
                stage.salt,
                [[some[name] for name in asked] for some in knobs],
            ]
        return blake2b(repr(said).encode()).digest()

    def _ordered_of(
        self, stage: Stage, of: Of, tensors: Sequence[TensorPlan], scope_name: str
    ) -> Mapping[int, np.ndarray]:
        """Return each expert's values by place, for every setting among these tensors."""
        assert of.places is not None
        entries = sum(t.numel for t in tensors)
        knobs = [stage.knobs(s) for s in {id(t.settings): t.settings for t in tensors}.values()]
        wanted = tuple(sorted({p for k in knobs for p in of.places(k, entries)}))
        name = ("ordered", place_of(stage), of, scope_name)
        return self._keep(name, lambda: self._ordered(stage, of, wanted, tensors))

    def _ordered(
        self, stage: Stage, of: Of, places: tuple[int, ...], tensors: Sequence[TensorPlan]
    ) -> Mapping[int, np.ndarray]:
        """Return each expert's values at these places, by place, in memory or streamed."""

        def blocks() -> Iterator[np.ndarray]:
            for serving in self._pieces(tensors, "Ranking changes"):
                yield self._ranked_values(serving, stage, of)

        if sum(t.numel for t in tensors) * self.plan.n > IN_MEMORY:
            return stream_order(blocks, self.plan.n, places)
        return order_of(self._all_values(stage, of, tensors), places)

    def _all_values(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> np.ndarray:
        """Return the values of these tensors that are put in order, (n, entries)."""
        servings = self._pieces(tensors, "Ranking changes")
        return np.concatenate([self._ranked_values(s, stage, of) for s in servings], axis=1)

    def _ranked_values(self, serving: Serving, stage: Stage, of: Of) -> np.ndarray:
        """Return the values put in order, (n, length): magnitudes unless `on` is given."""
        if of.on is None:
            return self._magnitudes(serving, stage, of)
        return serving.evaluate(stage, signature_of(of.on), weighted=False).cpu().numpy()


def _shares(value: Any, n: int) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,) * n

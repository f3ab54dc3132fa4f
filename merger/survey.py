"""Statistics over a tensor or the whole model: cuts, elected signs, sizes, inner products."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import sqrt
from threading import Event
from typing import Any

import numpy as np

from merger.algebra import CHUNK, l1, sum_of_squares
from merger.cuts import Cut, cut_of, keep_count, stream_cuts, survives
from merger.feeds import Serving
from merger.inputs import Inputs
from merger.lazy import Tensor, torch
from merger.lru import Lru
from merger.order import order_of, ranks_of, stream_order
from merger.pieces import BLOCK, Piece, cut_up, row_length
from merger.plan import Plan, TensorPlan
from merger.progress import Progress, Report, check_cancel
from merger.settings import Settings, Stage
from merger.signature import FeedUse, Of, Signature, read_signature

# Up to so many magnitudes are held in memory at once; above it, they are streamed.
IN_MEMORY = 1 << 24
CACHE_BYTES = 256 << 20


class SurveyCache(Lru[Any]):
    """Results of surveys, kept while settings move. One cache serves one set of models.

    Args:
        budget: Bytes that may be kept.
    """

    def __init__(self, budget: int = CACHE_BYTES) -> None:
        super().__init__(budget, lambda value: int(getattr(value, "nbytes", 64)))


@lru_cache(maxsize=256)
def signature_of(fn: Callable[..., Any]) -> Signature:
    """Return the signature of a function that a survey looks at."""
    return read_signature(fn)


class Survey:
    """Takes statistics as they are asked for, and keeps them.

    Args:
        plan: What is merged.
        inputs: Where pieces are read.
        cache: Where results are kept for other settings of the same models.
        report: Told how far a pass over the model is.
        cancel: Stops a pass.
        device: Where methods compute.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        cache: SurveyCache | None = None,
        report: Report | None = None,
        cancel: Event | None = None,
        device: str = "cpu",
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.cache = cache if cache is not None else SurveyCache()
        self._report = report
        self._cancel = cancel
        self._device = device
        # Without a budget: what this merge has found must not be lost while it runs.
        self._known: Lru[Any] = Lru(1 << 62)

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

    def mask(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return 1 where entries of the piece survive a cut and 0 elsewhere, (n, length)."""
        looked_at = self._magnitudes(serving, stage, use.of)
        rows = [
            survives(row, cut, self._index(serving.piece, stage, use.of))
            for row, cut in zip(looked_at, self.cuts(serving.piece.first, stage, use), strict=True)
        ]
        return torch.from_numpy(np.stack(rows).astype(np.float32)).to(self._device)

    def cuts(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> list[Cut]:
        """Return each expert's cut for this tensor."""
        knobs = stage.knobs(tensor.settings)
        if use.of.scope_at(knobs) == "global":
            return self._global_cuts(stage, use)[id(tensor.settings)]
        name = ("cut", _place(stage), use.of, tensor.key)
        return self._keep(name, lambda: self._tensor_cuts(tensor, stage, use))

    def majority(self, serving: Serving, stage: Stage, use: FeedUse) -> float:
        """Return the sign that most entries elect over the tensor or the model: -1, 0 or 1."""
        return self.majority_of(serving.piece.first, stage, use.of)

    def majority_of(self, tensor: TensorPlan, stage: Stage, of: Of) -> float:
        """Return the sign that most entries elect, over this tensor or the model."""
        is_global = of.scope_at(stage.knobs(tensor.settings)) == "global"
        tensors = self._of_scope(stage, of) if is_global else (tensor,)
        name = ("majority", _place(stage), of, "" if is_global else tensor.key)
        return self._keep(name, lambda: self._majority(stage, of, tensors))

    def gram(self, serving: Serving, stage: Stage, use: FeedUse) -> Tensor:
        """Return inner products over the tensor, (n, n) float64."""
        tensor = serving.piece.first
        name = (use.feed.name, use.of, stage.label, stage.index, tensor.key)
        products = self._keep(name, lambda: self._gram(tensor, stage, use))
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

    def _keep(self, name: Hashable, make: Callable[[], Any]) -> Any:
        return self._known.get_or_make(name, make)

    def _variants(self) -> list[Settings]:
        """Return the distinct settings of the merged tensors."""
        return list({id(t.settings): t.settings for t in self.plan.merged}.values())

    def _of_scope(self, stage: Stage, of: Of) -> tuple[TensorPlan, ...]:
        return tuple(
            t for t in self.plan.merged if of.scope_at(stage.knobs(t.settings)) == "global"
        )

    def _index(self, piece: Piece, stage: Stage, of: Of) -> int:
        """Return the index of the piece's first entry in the order of the cut's scope."""
        is_global = of.scope_at(stage.knobs(piece.settings)) == "global"
        return piece.start + (piece.first.offset if is_global else 0)

    def serve(self, piece: Piece) -> Serving:
        """Return a piece, ready to be asked for feeds."""
        return Serving(self.plan, self.inputs, self, piece, self._device)

    def _pieces(self, tensors: Iterable[TensorPlan], note: str) -> Iterator[Serving]:
        """Yield the pieces of some tensors; always the same ones, whatever the engine's blocks."""
        tensors = list(tensors)
        total, done = sum(t.numel for t in tensors), 0
        for tensor in tensors:
            for piece in cut_up(tensor, self.plan.scope_at(tensor.settings), BLOCK):
                check_cancel(self._cancel)
                if len(piece):
                    yield self.serve(piece)
                done += len(piece)
                if self._report and len(tensors) > 1:
                    self._report(Progress(done, total, "values", note))

    def _magnitudes(self, serving: Serving, stage: Stage, of: Of) -> np.ndarray:
        """Return |values| that a cut ranks, (n, length); coefficients do not count."""
        if of.on is None:
            values = serving.deltas(stage)
        elif of.nonzero:
            values = serving.costly(stage, of)
        else:
            values = serving.evaluate(stage, signature_of(of.on), weighted=False)
        return values.abs().cpu().numpy()

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
        name = ("cut", _place(stage), use.of)
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
        name = ("entries", _place(stage), of, scope_name)
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

        def blocks() -> Iterator[tuple[int, np.ndarray]]:
            at = 0
            for serving in self._pieces(tensors, "Ranking changes"):
                yield at, self._magnitudes(serving, stage, of)
                at += len(serving.piece)

        if entries * self.plan.n > IN_MEMORY:
            return stream_cuts(blocks, entries, wanted)
        rows = [magnitudes for _, magnitudes in blocks()]
        whole = np.concatenate(rows, axis=1) if rows else np.empty((self.plan.n, 0), np.float32)
        return [
            {k: cut_of(row, k) for k in counts} for row, counts in zip(whole, wanted, strict=True)
        ]

    def _majority(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan]) -> float:
        assert of.on is not None
        balance = 0
        for serving in self._pieces(tensors, "Counting signs"):
            elected = serving.evaluate(stage, signature_of(of.on))
            balance += int((elected > 0).sum()) - int((elected < 0).sum())
        return float(np.sign(balance))

    def _ordered_of(
        self, stage: Stage, of: Of, tensors: Sequence[TensorPlan], scope_name: str
    ) -> Mapping[int, np.ndarray]:
        """Return each expert's values by place, for every setting among these tensors."""
        assert of.places is not None
        entries = sum(t.numel for t in tensors)
        knobs = [stage.knobs(s) for s in {id(t.settings): t.settings for t in tensors}.values()]
        wanted = tuple(sorted({p for k in knobs for p in of.places(k, entries)}))
        name = ("ordered", _place(stage), of, scope_name)
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

    def _sizes_of(self, stage: Stage, of: Of) -> np.ndarray:
        return self._keep(("sizes", _place(stage), of), lambda: self._sizes_pass(stage, of))

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

    def _gram(self, tensor: TensorPlan, stage: Stage, use: FeedUse) -> np.ndarray:
        n = self.plan.n
        products = np.zeros((n, n))
        for serving in self._pieces((tensor,), ""):
            if use.of.on is not None:
                stack = serving.evaluate(stage, signature_of(use.of.on), weighted=False)
            else:
                of_weights = use.feed.name == "weight_gram"
                stack = serving.theta() if of_weights else serving.deltas(stage)
            add_products(products, stack.cpu().numpy())
        return products

    def _l1_of(self, stage: Stage, of: Of, tensors: Sequence[TensorPlan], scope_name: str) -> Any:
        name = ("l1", _place(stage), of, scope_name)
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
        name = ("norms", _place(stage), of, scope_name)
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


def add_products(products: np.ndarray, stack: np.ndarray) -> None:
    """Add inner products of the rows to an (n, n) float64 matrix, over pieces of fixed length."""
    for start in range(0, stack.shape[1], CHUNK):
        rows = stack[:, start : start + CHUNK].astype(np.float64)
        for i, left in enumerate(rows):
            for j in range(i, len(rows)):
                # Not BLAS, whose sums depend on the number of threads.
                products[i, j] += np.einsum("i,i->", left, rows[j])
                products[j, i] = products[i, j]


def _surveyed(stage: Stage) -> list[FeedUse]:
    return [use for use in stage.method.feeds if use.feed.surveyed]


def _place(stage: Stage) -> tuple[str, int]:
    return stage.label, stage.index


def _shares(value: Any, n: int) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,) * n

"""Faster forms of methods that are no sum of experts: what each keeps, and how that is combined.

A form gives the bytes of the method in `merger/methods/`; where its settings ask for something
that loops do not know, `fits` says so and the plain form is taken.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from merger.algebra import TINY, row_length
from merger.kernels.block import Block
from merger.kernels.flags import AT_ONCE, HELD_FLAGS, HELD_SPREADS, PACK
from merger.kernels.form_table import FORMS, Knobs
from merger.kernels.rooms import Rooms
from merger.lazy import torch
from merger.lru import Lru
from merger.masks import band_of, chances_of, shares_of
from merger.pieces import Piece
from merger.plan import Plan, TensorPlan
from merger.randomness import key_of
from merger.signature import FeedUse

if TYPE_CHECKING:
    from merger.kernels.keeping import Keeper
    from merger.kernels.lots import Lots
    from merger.kernels.selecting import Selected
    from merger.survey import Survey

# What is known of tensors that are being merged: one for each thread.
KNOWN_BYTES = 1 << 22
# Keepers with and without coefficients, lots; or what is selected and its sizes.
PER_TENSOR = 3


class Forms:
    """The faster form of one merge, if its method has one.

    Args:
        plan: What is merged.
        read: Reads a piece of the experts and of the base as they are stored.
    """

    def __init__(
        self, plan: Plan, read: Callable[[Piece], tuple[list[np.ndarray], np.ndarray]]
    ) -> None:
        self._plan = plan
        self._stage = plan.stages[0]
        self._read = read
        self._form = FORMS.get(plan.method.name)
        self._rooms = Rooms()
        self._known: Lru[Any] = Lru(
            KNOWN_BYTES, lambda value: getattr(value, "nbytes", 1 << 20), least=PER_TENSOR
        )

    def serve(self, workers: int) -> None:
        """Keep what so many tensors need that are merged at once, whatever it takes."""
        self._known.least = PER_TENSOR * workers

    def scope(self, tensor: TensorPlan) -> str | None:
        """Return the smallest piece that the form works on, or None without a form."""
        if self._form is None or not self._form.fits(self._knobs(tensor), tensor):
            return None
        knobs = self._knobs(tensor)
        by_row = self._form.keeps == "band" and knobs["trim"] == "row"
        return "row" if by_row or self._form.keeps == "ranked lots" else "element"

    def beside(self, tensors: Sequence[TensorPlan]) -> int:
        """Return how many bytes the flags of a tensor and what they come from take at most."""
        if self._form is None or not tensors:
            return 0
        largest = max(tensor.numel for tensor in tensors)
        if self._form.keeps == "selected":
            return 4 * min(HELD_SPREADS, largest) + largest // PACK
        flags = self._plan.n * largest // PACK
        # Those of a few experts share a byte.
        even = largest if self._plan.n <= AT_ONCE else flags
        # Ranking anew costs more than holding, whatever it takes.
        most = {"even lots": min(HELD_FLAGS, even), "ranked lots": flags}
        return most.get(self._form.keeps, 0)

    def merge(self, piece: Piece, survey: "Survey", out: np.ndarray) -> bool:
        """Write the merged entries of a piece, and return whether every number was finite."""
        from merger.kernels import combining  # noqa: PLC0415  (compiles)

        assert self._form is not None
        tensor, knobs = piece.first, self._knobs(piece.first)
        block = self._block(piece)
        keeper, scale = self._keeper(tensor, survey), knobs["scale"]
        if self._form.combines == "sum":
            return combining.merge_sum(block, keeper, scale, out)
        if self._form.combines == "by share":
            shares = self._shares(tensor, knobs)
            return combining.merge_by_share(block, keeper, shares, knobs["floor"], scale, out)
        ballot = combining.ballot_of(knobs, tensor.weights)
        if knobs["tie"] != "majority":
            tie = combining.TIES[knobs["tie"]]
            return combining.merge_agreeing(block, keeper, ballot, tie, scale, out)[0]
        place = tensor, self._stage, self._feed("majority").of
        sign = survey.known_majority(*place)
        # Counting the majority takes a pass, which most tensors do without.
        tie = 0.0 if sign is None else sign
        done, cancels = combining.merge_agreeing(block, keeper, ballot, tie, scale, out)
        if done and cancels and sign is None:
            sign = survey.majority_of(*place)
            done, _ = combining.merge_agreeing(block, keeper, ballot, sign, scale, out)
        return done

    def balance(self, piece: Piece, survey: "Survey") -> int:
        """Return how many entries of a piece elect plus, less how many elect minus."""
        from merger.kernels import combining  # noqa: PLC0415  (compiles)

        by_count = self._knobs(piece.first)["elect"] == "count"
        return combining.balance_of(
            self._block(piece), self._keeper(piece.first, survey), by_count
        )

    @property
    def leaves(self) -> bool:
        """Whether a cut of this method ranks what lots leave."""
        return self._form is not None and self._form.keeps == "even lots"

    def left(self, piece: Piece) -> "tuple[Block, Keeper]":
        """Return a piece, and the keeper of what a cut of this method ranks."""
        return self._block(piece), self._unweighted(piece.first)

    def _block(self, piece: Piece) -> Block:
        return Block(*self._read(piece), piece.start)

    def _unweighted(self, tensor: TensorPlan) -> "Keeper":
        ones = (1.0,) * self._plan.n
        name = (tensor.key, "unweighted")
        return self._known.get_or_make(
            name, lambda: self._drops(tensor, self._knobs(tensor), ones)
        )

    def _knobs(self, tensor: TensorPlan) -> Knobs:
        return self._stage.knobs(tensor.settings)

    def _keeper(self, tensor: TensorPlan, survey: "Survey") -> "Keeper":
        return self._known.get_or_make(tensor.key, lambda: self._make_keeper(tensor, survey))

    def _make_keeper(self, tensor: TensorPlan, survey: "Survey") -> "Keeper":
        from merger.kernels import dropping, keeping  # noqa: PLC0415  (compiles)
        from merger.kernels.combining import is_weighed_later  # noqa: PLC0415

        assert self._form is not None
        knobs = self._knobs(tensor)
        weights = (1.0,) * self._plan.n if is_weighed_later(knobs) else tensor.weights
        if self._form.keeps == "selected":
            flags = self._selected(tensor, knobs) if knobs["select"] == "update" else None
            ones = [1.0] * len(weights)
            if flags is None:
                return keeping.Whole(weights)
            return dropping.Drops(flags, ones, ones, weights)
        if self._form.keeps == "cut":
            use = self._feed("cut")
            whole = Piece((tensor,), 0, tensor.numel)
            first = survey.index_of(whole, self._stage, use.of)
            return keeping.Trims(survey.cuts(tensor, self._stage, use), first, weights)
        if self._form.keeps == "band":
            return self._banded(tensor, survey, knobs, weights)
        if not self._is_cut(knobs):
            return self._drops(tensor, knobs, weights)
        use = self._feed("cut")
        whole = Piece((tensor,), 0, tensor.numel)
        first = survey.index_of(whole, self._stage, use.of)
        is_weighed = any(weight != 1.0 for weight in weights)
        kept = self._drops(tensor, knobs, weights) if is_weighed else None
        cuts = survey.cuts(tensor, self._stage, use)
        return keeping.Sieved(self._unweighted(tensor), kept, cuts, first)

    def _banded(
        self, tensor: TensorPlan, survey: "Survey", knobs: Knobs, weights: Sequence[float]
    ) -> "Keeper":
        from merger.kernels import keeping  # noqa: PLC0415  (compiles)

        by_row = knobs["trim"] == "row"
        size = row_length(tensor.shape) if by_row else tensor.numel
        both = zip(self._each(knobs["density"]), self._each(knobs["gamma"]), strict=True)
        ranks = [band_of(share, top, size, knobs["trim"]) for share, top in both]
        if by_row:
            return keeping.RowBands(ranks, size, weights)
        use = self._feed("ranks")
        found = survey.cuts_after(tensor, self._stage, use.of, ranks)
        bands = [
            (cuts[first], cuts[last]) for cuts, (first, last) in zip(found, ranks, strict=True)
        ]
        return keeping.Bands(bands, weights)

    def _drops(self, tensor: TensorPlan, knobs: Knobs, weights: Sequence[float]) -> "Keeper":
        from merger.kernels import dropping, lots, marked  # noqa: PLC0415  (compiles)

        assert self._form is not None
        seed, key, names = self._plan.seed, tensor.key, self._plan.names
        keys = [key_of(seed, name, key, self._stage.salt) for name in names]
        densities = self._each(knobs["density"])
        if self._form.keeps == "ranked lots":
            tables = self._chances(tensor, densities, self._each(knobs["epsilon"]))
            drawn: Any = lots.RankedLots(keys, tables)
        else:
            drawn = lots.EvenLots(keys, densities)
        ones = [1.0] * self._plan.n
        if knobs["rescale"] == "l1":
            experts, base = self._read(Piece((tensor,), 0, tensor.numel))
            if self._form.keeps == "even lots" and self._plan.n <= AT_ONCE:
                known: Any = marked.MarkedLots(drawn, experts, base, weights, self._rooms)
            else:
                known = lots.KnownLots(drawn, experts, base, weights)
            return dropping.Drops.restored(known, weights)
        if self._form.keeps == "even lots" and self._is_cut(knobs):
            drawn = self._held(tensor, drawn)
        if knobs["rescale"] == "none":
            return dropping.Drops(drawn, ones, ones, weights)
        if self._form.keeps == "ranked lots":
            return dropping.Prunes(drawn, weights)
        return dropping.Drops(drawn, [max(d, TINY) for d in densities], ones, weights)

    def _held(self, tensor: TensorPlan, drawn: "Lots") -> "Lots":
        """Return lots that are drawn once: a cut and what it leaves need them again."""
        from merger.kernels.lots import HeldLots  # noqa: PLC0415  (compiles)

        # These do not look at what they draw for.
        blank = np.broadcast_to(np.uint16(0), tensor.numel)
        rows = [blank] * self._plan.n
        return self._known.get_or_make((tensor.key, "lots"), lambda: HeldLots(drawn, rows, blank))

    def _is_cut(self, knobs: Knobs) -> bool:
        """Return whether a cut follows what the lots leave."""
        return "cut" in self._plan.feeds(self._stage) and knobs[self._feed("cut").of.knob] < 1.0

    def _chances(
        self, tensor: TensorPlan, densities: Sequence[float], widths: Sequence[float]
    ) -> list[np.ndarray]:
        """Return each expert's chances by rank in a row."""
        columns = row_length(tensor.shape)
        ranks, like = torch.arange(columns, dtype=torch.int32), torch.empty(0)
        both = zip(densities, widths, strict=True)
        return [chances_of(ranks, columns, *one, like).numpy() for one in both]

    def _selected(self, tensor: TensorPlan, knobs: Knobs) -> "Selected | None":
        """Return which entries of a tensor are selected; None for all of them."""
        from merger.kernels.selecting import Selected  # noqa: PLC0415  (compiles)

        if knobs["select_topk"] >= 1.0 or self._plan.n < 2:
            return None

        def select() -> Selected:
            models = self._read(Piece((tensor,), 0, tensor.numel))
            return Selected(*models, tensor.weights, knobs["select_topk"])

        return self._known.get_or_make((tensor.key, "selected"), select)

    def _shares(self, tensor: TensorPlan, knobs: Knobs) -> list[float]:
        """Return the experts' shares by their mean squares over a tensor; see `methods/sce.py`."""
        from merger.kernels.squares import sums_of_squares  # noqa: PLC0415  (compiles)

        def measured() -> list[float]:
            experts, base = self._read(Piece((tensor,), 0, tensor.numel))
            flags = self._selected(tensor, knobs)
            at = None if flags is None else flags.at
            sums = sums_of_squares(experts, base, tensor.weights, at)
            return [found / max(1, len(base)) for found in sums]

        sizes = self._known.get_or_make((tensor.key, "sizes"), measured)
        return shares_of([0.0] * len(sizes) if sum(sizes) < knobs["floor"] else sizes)

    def _feed(self, name: str) -> FeedUse:
        return next(use for use in self._plan.method.feeds if use.feed.name == name)

    def _each(self, value: Any) -> tuple[float, ...]:
        return value if isinstance(value, tuple) else (value,) * self._plan.n

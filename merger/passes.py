"""Passes over the pieces of a merge, and what is kept of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache
from threading import Event, get_ident
from typing import Any

from merger.feeds import Serving
from merger.inputs import Inputs
from merger.kernels.choice import FastForms
from merger.lru import Lru
from merger.pieces import BLOCK, LONG_BLOCK, Piece, cut_up
from merger.plan import Plan, TensorPlan
from merger.progress import Progress, Report, check_cancel
from merger.settings import Settings, Stage
from merger.signature import Signature, read_signature

CACHE_BYTES = 256 << 20
# What is found last must not push out what was found first.
ROOM = 0.75


class SurveyCache(Lru[Any]):
    """Results of surveys, kept while settings move. One cache serves one set of models.

    Args:
        budget: Bytes that may be kept.
        looks_ahead: Whether a first look should find what other settings will ask for, too.
    """

    def __init__(self, budget: int = CACHE_BYTES, looks_ahead: bool = False) -> None:
        super().__init__(budget, lambda value: int(getattr(value, "nbytes", 64)))
        self.looks_ahead = looks_ahead

    @property
    def for_more(self) -> bool:
        """Whether to count for other settings, too: as long as there is room for what is found."""
        return self.looks_ahead and self.used < self.budget * ROOM


@lru_cache(maxsize=256)
def signature_of(fn: Callable[..., Any]) -> Signature:
    """Return the signature of a function that a survey looks at."""
    return read_signature(fn)


class Passes(ABC):
    """Goes over pieces as statistics ask for it, and keeps what was found.

    Args:
        plan: What is merged.
        inputs: Where pieces are read.
        cache: Where results are kept for other settings of the same models.
        report: Told how far a pass over the model is.
        cancel: Stops a pass.
        fast: Faster ways to the same statistics, if there are any.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        cache: SurveyCache | None = None,
        report: Report | None = None,
        cancel: Event | None = None,
        fast: FastForms | None = None,
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.cache = cache if cache is not None else SurveyCache()
        self._report = report
        self._teller = get_ident()
        self._cancel = cancel
        self._fast = fast
        # Without a budget: what this merge has found must not be lost while it runs.
        self._known: Lru[Any] = Lru(1 << 62)

    @property
    def _device(self) -> Any:
        """Where this thread computes."""
        return self.inputs.device

    def _keep(self, name: Hashable, make: Callable[[], Any]) -> Any:
        return self._known.get_or_make(name, make)

    def _variants(self) -> list[Settings]:
        """Return the distinct settings of the merged tensors."""
        return list({id(t.settings): t.settings for t in self.plan.merged}.values())

    @abstractmethod
    def serve(self, piece: Piece) -> Serving:
        """Return a piece, ready to be asked for feeds."""

    def _pieces(
        self, tensors: Iterable[TensorPlan], note: str, block: int = BLOCK
    ) -> Iterator[Serving]:
        """Yield the pieces of some tensors; always the same ones, whatever the engine's blocks."""
        tensors = list(tensors)
        block = max(block, survey_block(self.inputs.device))
        total, done = sum(t.numel for t in tensors), 0
        for tensor in tensors:
            for piece in cut_up(tensor, self.plan.scope_at(tensor.settings), block):
                check_cancel(self._cancel)
                if len(piece):
                    yield self.serve(piece)
                done += len(piece)
                # Threads that help go over the same pieces, and say nothing.
                if self._report and len(tensors) > 1 and get_ident() == self._teller:
                    self._report(Progress(done, total, "values", note))


def survey_block(device: Any) -> int:
    """Return how many entries a statistic looks at together, on the processor or on a GPU."""
    # A GPU waits for calls, not for room in a cache.
    return BLOCK if device == "cpu" else LONG_BLOCK


def place_of(stage: Stage) -> tuple[str, int]:
    """Return what tells a stage from the others of a recipe."""
    return stage.label, stage.index

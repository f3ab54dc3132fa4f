"""Where each expert's change goes: left out, outvoted, or merged, entry by entry.

An entry is left out when the method trims or drops it, outvoted when it points against the elected
sign, and merged otherwise. Methods that add up without an election lose what cancels: where the
kept values are xᵢ and their sum is s, an expert that points the way of s keeps the share
|s| / Σ|xᵢ| (over those that do) of its change there, and all of it cancels where it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merger.algebra import TINY, total
from merger.diagnostics.steps import STEPS, Steps
from merger.errors import FeedError
from merger.feeds import Serving
from merger.flat import FlatInputs, SurveyCache
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatView
from merger.info import Info
from merger.lazy import Tensor, torch
from merger.plan import Plan
from merger.settings import Stage
from merger.stack import Slot

STRETCH = 1 << 20


@dataclass(frozen=True, eq=False)
class Parts(Info):
    """What becomes of every expert's change, counted in one way.

    Args:
        merged: What reaches the merged model, shape (n,).
        opposed: What is outvoted, or cancels, shape (n,).
        left_out: What is trimmed or dropped, shape (n,).
    """

    merged: np.ndarray
    opposed: np.ndarray
    left_out: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """All of each expert's change, shape (n,)."""
        return self.merged + self.opposed + self.left_out


@dataclass(frozen=True, eq=False)
class FlowInfo(Info):
    """Where each expert's change goes on its way into a merge.

    Args:
        experts: The experts' names.
        method: The method's title.
        elects: Whether a sign is elected; otherwise changes are added up, and opposites cancel.
        word: What being left out is called, such as "trimmed"; empty where nothing can be.
        mass: By size: sums of the magnitudes of the weighted changes.
        entries: By number of changed entries; for sums, those that point against the sum count
            as opposed.
        sample: Share of the coordinates this was estimated from; None when exact.
    """

    experts: tuple[str, ...]
    method: str
    elects: bool
    word: str
    mass: Parts
    entries: Parts
    sample: float | None


def measure_flow(
    plan: Plan,
    flat: FlatInputs,
    cache: SurveyCache | None = None,
    sample: float | None = None,
) -> FlowInfo:
    """Follow every expert's weighted change through the steps of a method.

    Args:
        plan: The merge.
        flat: Its models, in memory.
        cache: What merges of the same models found out.
        sample: Share of the coordinates that `flat` holds; None when it holds all.
    Raises:
        FeedError: the method has no steps that could be followed entry by entry.
    """
    method = plan.method
    if method.name not in STEPS:
        raise FeedError(
            f"{method.title} has no step that trims, drops or outvotes changes entry by entry.",
            "Pick a method such as TIES or task arithmetic to follow changes into the merge.",
        )
    steps = STEPS[method.name]
    view = FlatView(plan, flat, cache if cache is not None else SurveyCache())
    survey = FlatSurvey(plan, view)
    survey.take([stage for stage in plan.stages if stage.label != "after"])
    stage = next(stage for stage in plan.stages if stage.label == "merge")
    expand = None if sample is None else _expand(view.flat.slots)
    sums = torch.zeros((2, 3, plan.n), dtype=torch.float64)
    for run in view.runs:
        for piece, place in run.pieces(plan) if run.action == "merge" else ():
            each = None if expand is None else expand[place]
            sums += _parts(survey.serve(piece), stage, steps, each)
    mass, entries = (Parts(*part) for part in sums.numpy())
    return FlowInfo(plan.names, method.title, steps.elects, steps.word, mass, entries, sample)


def _expand(slots: Sequence[Slot]) -> Tensor:
    """Return how many entries of the model each sampled entry stands for."""
    here = torch.tensor([slot.stop - slot.start for slot in slots])
    whole = torch.tensor([slot.numel for slot in slots], dtype=torch.float32)
    return (whole / here.clamp(min=1)).repeat_interleave(here)


def _parts(serving: Serving, stage: Stage, steps: Steps, expand: Tensor | None) -> Tensor:
    """Return what is merged, opposed and left out of one piece, by mass and entries, (2, 3, n)."""
    signature = stage.method.signature
    feeds = {use.name: serving.feed(use, stage) for use in signature.feeds}
    kept, sign = steps.follow(feeds, serving.knobs(stage, signature))
    deltas = serving.deltas(stage, weighted=True)
    kept, sign = kept.reshape(deltas.shape), sign.reshape(-1)
    share = None if steps.elects else _surviving(kept, sign)
    # Row by row, comparisons into floats: what is at hand at once fits the cache of one core.
    rows = [_row(*both, sign, share, expand) for both in zip(deltas, kept, strict=True)]
    return torch.tensor(rows, dtype=torch.float64).permute(1, 2, 0)


def _surviving(kept: Tensor, sign: Tensor) -> Tensor:
    """Return how much of what points the way of the sum is left in it, entry by entry."""
    reach = (kept[0] * sign).clamp_(min=0.0)
    for row in kept[1:]:
        reach += (row * sign).clamp_(min=0.0)
    return (total(kept).abs_() / reach.clamp_(min=TINY)).clamp_(max=1.0)


def _row(
    delta: Tensor, kept: Tensor, sign: Tensor, share: Tensor | None, expand: Tensor | None
) -> list[list[float]]:
    """Return mass and entries of one expert: merged, opposed, left out."""
    sizes = delta.abs()
    changed = torch.gt(sizes, 0.0, out=torch.empty_like(sizes))
    if expand is not None:
        sizes, changed = sizes * expand, changed * expand
    agrees = (kept * sign).clamp_(min=0.0)
    torch.gt(agrees, 0.0, out=agrees)
    lost = torch.eq(kept, 0.0, out=torch.empty_like(kept))
    against = (1.0 - lost).sub_(agrees)
    counted = [_sum(changed * part) for part in (agrees, against, lost)]
    if share is not None:
        against += agrees
        agrees *= share
        against -= agrees
    return [[_sum(sizes * part) for part in (agrees, against, lost)], counted]


def _sum(values: Tensor) -> float:
    # In float32 over stretches in which whole numbers stay exact.
    return sum(float(part.sum()) for part in values.split(STRETCH))

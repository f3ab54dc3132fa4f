"""A method on a toy that can be drawn: few experts in a plane, followed from step to step.

The toy is merged by the very code that merges models, under the settings of the recipe. Its base
is 0 and its changes are thousandths, the size of real ones. Methods that work on matrices get one
of 2 × 2 per expert, all others one vector of two weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from merger.checkpoint import MemoryCheckpoint
from merger.diagnostics.pipeline import Held, Pipeline, Step, Work
from merger.diagnostics.steps import pipeline_of
from merger.flat import FlatInputs, SurveyCache, merge_flat
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatView
from merger.info import Info
from merger.lazy import Tensor, torch
from merger.plan import Plan, plan
from merger.recipe import Expert, Recipe
from merger.settings import read_stages
from merger.spec import Method
from merger.stack import stack_experts

NAMES = ("A", "B", "C")
UNIT = 1e-3
ROUNDING = 1e-6
# A and B go right, B and C go up; C's first weight goes against both, A's second hardly moves.
VECTORS = ((3.0, 0.008), (1.8, 2.6), (-1.3, 1.25))
MATRICES = (((2.6, 0.9), (0.7, 0.6)), ((0.8, -1.2), (1.6, 1.5)))
KEY = "layers.0.mlp.up_proj.weight"


@dataclass(frozen=True, eq=False)
class ToyFrame(Info):
    """One picture of the toy.

    Args:
        title: What has been done.
        rows: What there is, in thousandths: (rows, 2), or (rows, 2, 2) for matrices.
        together: Whether it is one row for all experts.
        chain: Whether rows are to be laid tip to tail.
        counts: How many entries or directions there are.
        size: How long the rows are on average, as a share of the experts' own changes.
        words: What was done, in sentences without the last full stop.
    """

    title: str
    rows: np.ndarray
    together: bool
    chain: bool
    counts: int
    size: float
    words: str


@dataclass(frozen=True, eq=False)
class ToyInfo(Info):
    """A method at work on a toy.

    Args:
        method: The method's title.
        experts: The toy's experts.
        matrix: Whether each expert is a matrix.
        unit: What is counted.
        frames: The pictures, in order.
        note: What the toy leaves out; empty where it leaves out nothing.
    """

    method: str
    experts: tuple[str, ...]
    matrix: bool
    unit: str
    frames: tuple[ToyFrame, ...]
    note: str


def measure_toy(recipe: Recipe) -> ToyInfo:
    """Merge the toy as a recipe says, and keep what there is after each step.

    Args:
        recipe: Its method, settings, coefficients and verbs before are used.
    """
    method = next(stage for stage in read_stages(recipe) if stage.label == "merge").method
    pipeline = pipeline_of(method)
    n = _experts(method, pipeline)
    planned, flat = _models(recipe, n, pipeline.matrix)
    held = _held(planned, flat, pipeline)
    merged = (merge_flat(planned, flat) - flat.base).reshape(-1, *held[0].stack.shape[1:])
    per_task = method.output == "per_task"
    picked = _pick(held, pipeline, Held(merged, held[-1].directions), per_task)
    frames = [_frame(each, held[0], pipeline.unit) for each in picked]
    return ToyInfo(
        method.title, NAMES[:n], pipeline.matrix, pipeline.unit, tuple(frames), _note(recipe)
    )


def _experts(method: Method, pipeline: Pipeline) -> int:
    low, high = method.experts
    wanted = len(MATRICES if pipeline.matrix else VECTORS)
    return max(low, min(wanted, high or wanted))


def _models(recipe: Recipe, n: int, matrix: bool) -> tuple[Plan, FlatInputs]:
    values = torch.tensor(MATRICES if matrix else VECTORS) * UNIT
    names = NAMES[:n]
    base = MemoryCheckpoint({KEY: torch.zeros_like(values[0])}, "base")
    models = [
        MemoryCheckpoint({KEY: value}, name) for name, value in zip(names, values, strict=False)
    ]
    weights = None
    if recipe.weights is not None:
        weights = (*recipe.weights[:n], *[1.0] * (n - len(recipe.weights)))
    small = replace(
        recipe,
        experts=tuple(Expert(f"memory:{name}", name) for name in names),
        base="memory:base",
        weights=weights,
        params={key: _own(value, n) for key, value in recipe.params.items()},
        before=tuple(
            replace(step, params={k: _own(v, n) for k, v in step.params.items()})
            for step in recipe.before
        ),
        rules=(),
        after=(),
        out_dtype=None,
    )
    return plan(small, base, models), FlatInputs(stack_experts(base, models, names), models)


def _own(value: Any, n: int) -> Any:
    """Return a setting for as many experts as the toy has; the last one stands for the rest."""
    return (*value[:n], *value[-1:] * (n - len(value))) if isinstance(value, tuple) else value


def _held(planned: Plan, flat: FlatInputs, pipeline: Pipeline) -> list[Held]:
    view = FlatView(planned, flat, SurveyCache())
    survey = FlatSurvey(planned, view)
    survey.take()
    stage = next(stage for stage in planned.stages if stage.label == "merge")
    ((piece, _),) = [found for run in view.runs for found in run.pieces(planned)]
    shape = planned.merged[0].shape
    return [
        Held(held.stack.reshape(-1, *shape), held.directions)
        for held in pipeline.trace(Work(survey.serve(piece), stage))
    ]


class Picked(NamedTuple):
    """What one picture shows, before it is measured."""

    title: str
    held: Held
    words: str
    together: bool = False
    chain: bool = False


def _pick(held: Sequence[Held], pipeline: Pipeline, merged: Held, per_task: bool) -> list[Picked]:
    """Return the pictures: the changes, the first step, what follows it, and the merge."""
    steps, n = list(pipeline.steps), len(held[0].stack)
    found = [Picked("change", held[0], "What the experts changed, times their coefficients")]
    if len(steps) > 1 or not steps[0].together:
        found.append(_picked(steps[:1], held[1]))
    if len(steps) > 2:
        found.append(_picked(steps[1:-1], held[-2]))
    elif len(found) > 1:
        found.append(_between(held, pipeline, per_task or n == 1))
    title, last = (steps[-1].name, steps[-1].did) if len(steps) > 1 else ("merged", "")
    return [*found, Picked(title, merged, last, not per_task)]


def _picked(steps: Sequence[Step], held: Held) -> Picked:
    words = ". ".join(step.did for step in steps)
    return Picked(", ".join(step.name for step in steps), held, words, steps[-1].together)


def _between(held: Sequence[Held], pipeline: Pipeline, alone: bool) -> Picked:
    """Return what to show between the one step and the merge: what is lost, or the sum."""
    start, first = held[0].stack, held[1].stack
    if alone:
        lost = start - first
        lost[lost.abs() < ROUNDING * start.abs().max()] = 0.0
        ranks = tuple(map(_rank, lost)) if pipeline.unit == "directions" else None
        return Picked("left behind", Held(lost, ranks), "What the result lacks of the change")
    last = held[-1] if len(held[-1].stack) == len(start) else held[1]
    if not pipeline.matrix:
        words = "Laid tip to tail, what the experts give leads to the merged model"
        return Picked("tip to tail", last, words, chain=True)
    summed = Held(first.sum(0, keepdim=True))
    return Picked("add up", summed, "What the experts are left with is added up", True)


def _rank(matrix: Tensor) -> int:
    return int(torch.linalg.matrix_rank(matrix)) if matrix.any() else 0


def _frame(picked: Picked, start: Held, unit: str) -> ToyFrame:
    whole, now = (_length(each) for each in (start, picked.held))
    return ToyFrame(
        picked.title,
        picked.held.stack.double().numpy() / UNIT + 0.0,
        picked.together,
        picked.chain,
        _count(picked.held, unit),
        now / whole if whole > 0 else float("nan"),
        picked.words,
    )


def _length(held: Held) -> float:
    """Return the mean length of the rows."""
    return float(held.stack.double().flatten(1).norm(dim=1).mean())


def _count(held: Held, unit: str) -> int:
    if unit == "directions":
        return sum(held.directions or (0,))
    return int(torch.count_nonzero(held.stack))


def _note(recipe: Recipe) -> str:
    left = [*(["rules"] if recipe.rules else []), *(step.verb for step in recipe.after)]
    return f"Without {', '.join(left)}." if left else ""

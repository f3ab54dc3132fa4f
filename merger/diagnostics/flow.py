"""Where each expert's change goes, step by step and layer by layer.

A step that trims, drops or outvotes takes entries away; the others leave the experts their
entries. Methods that add up without an election lose what cancels: where the last rows are xᵢ and
their sum is s, an expert that points the way of s keeps the share |s| / Σ|xᵢ| (over those that do)
of its change there, and all of it cancels where it does not.
"""

from collections.abc import Callable, Iterator

import numpy as np

from merger.algebra import TINY, total
from merger.diagnostics.flow_info import FlowInfo, Parts, StepsInfo
from merger.diagnostics.grid import Grid, grid_of
from merger.diagnostics.pipeline import Held, Pipeline, Unit, Work
from merger.diagnostics.steps import whole_pipeline
from merger.flat import FlatInputs, SurveyCache
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatView
from merger.lazy import Tensor, torch
from merger.plan import Plan

__all__ = ["FlowInfo", "Parts", "StepsInfo", "measure_flow", "measure_steps"]

MERGED, OPPOSED, LEFT_OUT = range(3)


def measure_flow(
    plan: Plan,
    flat: FlatInputs,
    cache: SurveyCache | None = None,
    sample: float | None = None,
) -> FlowInfo:
    """Follow every expert's weighted change through the steps of a method; see `measure_steps`."""
    return measure_steps(plan, flat, cache, sample).flow()


def measure_steps(
    plan: Plan,
    flat: FlatInputs,
    cache: SurveyCache | None = None,
    sample: float | None = None,
    grid: Grid | None = None,
) -> StepsInfo:
    """Measure what every expert has after each step of a method, and of verbs after it.

    Args:
        plan: The merge.
        flat: Its models, in memory.
        cache: What merges of the same models found out.
        sample: Share of the coordinates that `flat` holds; None when it holds all.
        grid: The layer × module table when it is at hand already.
    """
    pipeline = whole_pipeline(plan)
    view = FlatView(plan, flat, cache if cache is not None else SurveyCache())
    grid = grid or grid_of(view.flat.slots)
    slots = view.flat.slots
    counts = np.zeros((1 + len(pipeline.steps), plan.n, len(slots)))
    sizes = np.zeros_like(counts)
    fates = np.zeros((2, 3, plan.n, len(slots)))
    cuts = pipeline.unit == "directions" and bool(pipeline.lost)
    for at, starts, held in _pieces(plan, view, pipeline):
        for step, found in enumerate(held):
            rows = slice(len(found.stack))
            counts[step][rows, at] += _counted(found, starts, pipeline.unit)
            sizes[step][rows, at] += _sized(found.stack, starts, pipeline.unit)
        if not cuts:
            fates[..., at] += _fates(held, starts, pipeline)
    if cuts:
        fates = _cuts(counts, sizes, pipeline)
    for step, each in enumerate(pipeline.steps, 1):
        if each.together:
            counts[step, 1:] = sizes[step, 1:] = np.nan
    expand = np.array([s.numel / max(1, s.stop - s.start) for s in slots])
    counts, sizes, fates = (_by_layer(a * expand, grid) for a in (counts, sizes, fates))
    return StepsInfo(
        plan.names, plan.method.title, pipeline.steps, pipeline.unit, grid.layers, counts, sizes,
        Parts(*fates[0]), Parts(*fates[1]), pipeline.elects, pipeline.lost, pipeline.note, sample,
        cuts, pipeline.adds,
    )  # fmt: skip


def _pieces(
    plan: Plan, view: FlatView, pipeline: Pipeline
) -> Iterator[tuple[list[int], np.ndarray, list[Held]]]:
    """Yield which tensors a piece is about, where each begins in it, and its steps."""
    survey = FlatSurvey(plan, view)
    survey.take()
    stage = next(stage for stage in plan.stages if stage.label == "merge")
    slots = view.flat.slots
    for run in view.runs:
        for piece, place in run.pieces(plan) if run.action == "merge" else ():
            inside = [
                i
                for i, slot in enumerate(slots)
                if slot.start < place.stop and slot.stop > place.start and slot.stop > slot.start
            ]
            if inside:
                starts = [max(0, slots[i].start - place.start) for i in inside]
                held = pipeline.trace(Work(survey.serve(piece), stage))
                yield inside, np.array(starts), held


def _flat(stack: Tensor) -> Tensor:
    return stack.reshape(len(stack), -1)


def _sums(values: Tensor, starts: np.ndarray) -> np.ndarray:
    """Add up each tensor's entries, (rows, tensors)."""
    ends = [*starts[1:], values.shape[1]]
    pairs = list(zip(starts, ends, strict=True))
    # One reduction a tensor: reduceat with a wider type takes ten times as long.
    rows = [[np.add.reduce(row[a:b]) for a, b in pairs] for row in values.numpy()]
    return np.array(rows, np.float64)


def _counted(held: Held, starts: np.ndarray, unit: Unit) -> np.ndarray:
    if unit == "directions":
        return np.array(held.directions or [0] * len(held.stack), np.float64)[:, None]
    return _sums(_is(torch.ne, _flat(held.stack)), starts)


def _sized(stack: Tensor, starts: np.ndarray, unit: Unit) -> np.ndarray:
    values = _flat(stack)
    return _sums(values.square() if unit == "directions" else values.abs(), starts)


def _is(compare: Callable[..., Tensor], values: Tensor) -> Tensor:
    """Return 1 where values compare so with 0, and 0 elsewhere."""
    # Comparisons into floats: those into booleans make what is multiplied with them slow.
    return compare(values, 0.0, out=torch.empty_like(values))


def _fates(held: list[Held], starts: np.ndarray, pipeline: Pipeline) -> np.ndarray:
    """Return what is merged, opposed and left out, by mass and entries, (2, 3, n, tensors)."""
    sizes = _flat(held[pipeline.origin].stack).abs()
    alive = _is(torch.gt, sizes)
    found = np.zeros((2, 3, len(sizes), len(starts)))

    def add(fate: int, lost: Tensor) -> None:
        found[0, fate] += _sums(sizes * lost, starts)
        found[1, fate] += _sums(lost, starts)

    for step, now in zip(pipeline.steps, held[1:], strict=True):
        if step.lost:
            left = alive * _is(torch.ne, _flat(now.stack))
            add(OPPOSED if step.conflict else LEFT_OUT, alive - left)
            alive = left
    add(MERGED, alive)
    if pipeline.adds and not pipeline.elects:
        gone, against = _cancelled(_last_rows(held, pipeline), alive)
        for kind, lost in enumerate((sizes * gone, against)):
            summed = _sums(lost, starts)
            found[kind, OPPOSED] += summed
            found[kind, MERGED] -= summed
    return np.maximum(found, 0.0)


def _last_rows(held: list[Held], pipeline: Pipeline) -> Tensor:
    """Return the last rows of the experts before they become one."""
    apart = [now for step, now in zip(pipeline.steps, held[1:], strict=True) if not step.together]
    return _flat((apart[-1] if apart else held[0]).stack)


def _cancelled(rows: Tensor, alive: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of each entry that is lost in the sum, and 1 where it opposes the sum."""
    summed = total(rows)
    along = rows * summed.sign()
    reach = torch.zeros_like(summed)
    for row in along:
        reach += row.clamp(min=0.0)
    lost = (1.0 - summed.abs_() / reach.clamp_(min=TINY)).clamp_(min=0.0)
    agrees = _is(torch.gt, along)
    against = (_is(torch.ne, rows) - agrees).mul_(alive)
    # Of those that oppose all is lost, of the others what the opposing ones take away.
    return agrees.mul_(lost).mul_(alive).add_(against), against


def _cuts(counts: np.ndarray, sizes: np.ndarray, pipeline: Pipeline) -> np.ndarray:
    """Return what is merged and what is cut, by energy and directions, (2, 3, n, tensors)."""
    found = np.zeros((2, 3, *sizes.shape[1:]))
    cutting = [at for at, step in enumerate(pipeline.steps, 1) if step.lost]
    for kind, values in enumerate((sizes, counts)):
        last = np.minimum(values[cutting[-1]], values[0]) if cutting else values[0]
        found[kind, MERGED] = last
        found[kind, LEFT_OUT] = values[0] - last
    return found


def _by_layer(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Add the last axis up to layers."""
    rows = [grid.by_layer(row) for row in values.reshape(-1, values.shape[-1])]
    return np.array(rows).reshape(*values.shape[:-1], len(grid.layers))

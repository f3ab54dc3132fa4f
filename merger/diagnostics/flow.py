"""Where each expert's change goes, step by step and layer by layer.

A step that trims, drops or outvotes takes entries away; the others leave the experts their
entries. Methods that add up without an election lose what cancels: where the last rows are xᵢ and
their sum is s, an expert that points the way of s keeps the share |s| / Σ|xᵢ| (over those that do)
of its change there, and all of it cancels where it does not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from merger.algebra import TINY, total
from merger.diagnostics.grid import Grid, grid_of
from merger.diagnostics.pipeline import Held, Pipeline, Step, Unit, Work
from merger.diagnostics.steps import pipeline_of
from merger.flat import FlatInputs, SurveyCache
from merger.flat_survey import FlatSurvey
from merger.flat_view import FlatView
from merger.info import Info
from merger.lazy import Tensor, torch
from merger.plan import Plan

MERGED, OPPOSED, LEFT_OUT = range(3)


@dataclass(frozen=True, eq=False)
class Parts(Info):
    """What becomes of every expert's change, counted in one way.

    Args:
        merged: What reaches the merged model, shape (n,), or (n, layers).
        opposed: What is outvoted, or cancels.
        left_out: What is trimmed, dropped or cut.
    """

    merged: np.ndarray
    opposed: np.ndarray
    left_out: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """All of each expert's change."""
        return self.merged + self.opposed + self.left_out

    def of_layer(self, at: int | None) -> "Parts":
        """Return what there is in one layer, or in all where none is named, shape (n,)."""
        rows = (self.merged, self.opposed, self.left_out)
        return Parts(*(row.sum(1) if at is None else row[:, at] for row in rows))

    def of_expert(self, at: int) -> "Parts":
        """Return what there is of one expert, shape (1, …)."""
        return Parts(*(row[at : at + 1] for row in (self.merged, self.opposed, self.left_out)))


@dataclass(frozen=True, eq=False)
class FlowInfo(Info):
    """Where each expert's change goes on its way into a merge.

    Args:
        experts: The experts' names.
        method: The method's title.
        elects: Whether values are taken away for their sign; otherwise opposites cancel.
        word: What being left out is called, such as "trimmed"; empty where nothing can be.
        mass: By size: sums of the magnitudes of the weighted changes, or of their squares where
            directions are counted.
        entries: By number of changed entries, or of directions; for sums, those that point
            against the sum count as opposed.
        sample: Share of the coordinates this was estimated from; None when exact.
        unit: What is counted.
        layer: Which layer this is about; empty for all.
        adds: Whether what experts are left with is added up, so that opposites cancel.
    """

    experts: tuple[str, ...]
    method: str
    elects: bool
    word: str
    mass: Parts
    entries: Parts
    sample: float | None
    unit: Unit = "weights"
    layer: str = ""
    adds: bool = True

    @property
    def conflicts(self) -> bool:
        """Whether anything can be lost to disagreement."""
        return self.elects or (self.adds and self.unit != "directions")


@dataclass(frozen=True, eq=False)
class StepsInfo(Info):
    """What every expert has after each step of a method, by layer.

    Args:
        experts: The experts' names.
        method: The method's title.
        steps: The steps.
        unit: What is counted.
        layers: "out", then the layers' numbers.
        counts: How many entries, coordinates or directions there are before the first step and
            after each, (1 + steps, n, layers); where all are one, the first row holds that; NaN
            where they cannot be counted.
        sizes: The same in sums of magnitudes, or of squares where directions are counted.
        mass: What becomes of the change by size, with arrays of (n, layers).
        entries: The same by number.
        elects: Whether values are taken away for their sign; otherwise opposites cancel.
        word: What being left out is called; empty where nothing can be.
        note: What cannot be counted, and why; empty where everything can.
        sample: Share of the coordinates this was estimated from; None when exact.
        cuts: Whether `mass` and `entries` are energy and directions: a step takes some of them.
        adds: Whether what experts are left with is added up, so that opposites cancel.
    """

    experts: tuple[str, ...]
    method: str
    steps: tuple[Step, ...]
    unit: Unit
    layers: tuple[str, ...]
    counts: np.ndarray
    sizes: np.ndarray
    mass: Parts
    entries: Parts
    elects: bool
    word: str
    note: str
    sample: float | None
    cuts: bool = False
    adds: bool = True

    def flow(self, layer: str = "") -> FlowInfo:
        """Return where the change goes in one layer, or in all."""
        at = self.layers.index(layer) if layer in self.layers else None
        return FlowInfo(
            self.experts, self.method, self.elects, self.word, self.mass.of_layer(at),
            self.entries.of_layer(at), self.sample, self.flow_unit, "" if at is None else layer,
            self.adds,
        )  # fmt: skip

    @property
    def flow_unit(self) -> Unit:
        """What is followed: directions only where a step takes some of them."""
        return "weights" if self.unit == "directions" and not self.cuts else self.unit

    def scaled(self, factor: float, steps: int) -> "StepsInfo":
        """Return the same merge with its last steps multiplied by a factor."""
        counts, sizes = self.counts.copy(), self.sizes.copy()
        last = slice(len(sizes) - steps, None)
        sizes[last] *= factor * factor if self.unit == "directions" else abs(factor)
        counts[last] *= factor != 0.0
        return replace(self, counts=counts, sizes=sizes)


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
    """Measure what every expert has after each step of a method.

    Args:
        plan: The merge.
        flat: Its models, in memory.
        cache: What merges of the same models found out.
        sample: Share of the coordinates that `flat` holds; None when it holds all.
        grid: The layer × module table when it is at hand already.
    """
    pipeline = pipeline_of(plan.method)
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
    survey.take([stage for stage in plan.stages if stage.label != "after"])
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

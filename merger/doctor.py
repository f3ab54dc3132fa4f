"""Say, from headers and configs only, whether a merge will work and what it will cost."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from merger.align import AlignReport, Problem, align
from merger.checkpoint import Checkpoint
from merger.companions import check_tokenizer
from merger.errors import MergeError
from merger.footprint import pieces_at_once
from merger.header import BITS
from merger.layered import LayeredCheckpoint
from merger.notices import notices
from merger.pieces import BLOCK
from merger.plan import Plan, plan
from merger.recipe import Recipe
from merger.sources import SourceRules, open_source
from merger.tokenizers import match_vocabularies

# Rough, and said to be so: bytes a second of a disk, and entries a second and expert that one core
# merges with a method of the linear family (benchmarks/ holds what was measured).
READ_RATE = 1.2e9
WRITE_RATE = 1.2e9
ENTRY_RATE = 2.5e8
# The same for each feed that is more than reading: random draws, statistics from a first pass.
FEED_RATE = 5e7
# What torch and its libraries take before the first tensor.
PROGRAM_BYTES = 300_000_000


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What a merge would meet and cost.

    Args:
        verdict: One or two sentences: will it work, and what to do next.
        problems: Errors and notes.
        parameters: Entries of all tensors of the result.
        peak_bytes: Memory it takes at most, estimated; mapped files not counted.
        disk_bytes: What the result takes on disk.
        seconds: How long it takes, estimated.
    """

    verdict: str
    problems: tuple[Problem, ...]
    parameters: int
    peak_bytes: int
    disk_bytes: int
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether nothing forbids the merge."""
        return not any(problem.severity == "error" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"problems": [problem._asdict() for problem in self.problems]}


def doctor(
    recipe: Recipe,
    *,
    out: Path | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> DoctorReport:
    """Look at the models of a recipe without merging them.

    Args:
        recipe: What would be merged.
        out: Where to, when the space there is to be looked at too.
        base_dir: Folder that relative paths start from.
        roots: What a visitor may open; None opens everything.
    """
    problems: list[Problem] = []
    named = [("base", recipe.base, None)] if recipe.base is not None else []
    named += [(e.name, e.source, e.step) for e in recipe.experts]
    opened: list[Checkpoint] = []
    for name, source, step in named:
        try:
            base = opened[0] if opened and recipe.base is not None else None
            opened.append(open_source(source, step, base_dir=base_dir, roots=roots, base=base))
        except MergeError as error:
            problems.append(Problem("error", error.message, name, error.hint))
    if problems or not recipe.experts:
        problems += _recipe_problems(recipe)
        return DoctorReport(_verdict(problems), tuple(problems), 0, 0, 0, 0.0)
    base = opened[0] if recipe.base is not None else None
    experts = opened[len(opened) - len(recipe.experts) :]
    problems += _layer_notes(named, opened)
    try:
        base, experts, tokenizer = match_vocabularies(recipe, base, experts)
        check_tokenizer(base if base is not None else experts[0], experts, tokenizer)
        problems += [Problem("note", note, "tokenizer", "") for note in tokenizer.notes]
    except MergeError as error:
        problems.append(Problem("error", error.message, "recipe", error.hint))
    report = align(base, experts, read_heads=False)
    problems += report.problems
    cost = Cost(0, 0, 0, 0.0)
    try:
        planned = plan(recipe.resolved(), base, experts, report)
        problems += [Problem(n.severity, n.what, "recipe", n.remedy) for n in notices(planned)]
        cost = _cost(planned, report, experts, base)
    except MergeError as error:
        problems.append(Problem("error", error.message, "recipe", error.hint))
    problems += _space_problems(out, cost.disk_bytes)
    return DoctorReport(_verdict(problems), tuple(problems), *cost)


def _layer_notes(
    named: Sequence[tuple[str, str, int | None]], opened: Sequence[Checkpoint]
) -> list[Problem]:
    """Return what is to be known of models that are put together from layers."""
    return [
        Problem("note", note, name, "")
        for (name, _, _), model in zip(named, opened, strict=True)
        if isinstance(model, LayeredCheckpoint)
        for note in model.notes
    ]


class Cost(NamedTuple):
    """Estimates, in the order of DoctorReport."""

    parameters: int
    peak_bytes: int
    disk_bytes: int
    seconds: float


def _recipe_problems(recipe: Recipe) -> list[Problem]:
    try:
        recipe.resolved()
    except MergeError as error:
        return [Problem("error", error.message, "recipe", error.hint)]
    return []


def _cost(
    planned: Plan, report: AlignReport, experts: Sequence[Checkpoint], base: Checkpoint | None
) -> Cost:
    out_bytes = {t.key: t.numel * BITS[t.out_dtype] // 8 for t in planned.tensors}
    entries = sum(t.numel for t in planned.tensors)
    disk = sum(out_bytes.values())
    for origin in report.tied.values():
        disk += out_bytes.get(origin, 0)
        entries += planned.by_key[origin].numel if origin in planned.by_key else 0
    disk *= planned.n if planned.method.output == "per_task" else 1
    models = ([] if base is None else [base]) + list(experts[: planned.n])
    read = sum(info.nbytes for model in models for info in model.tensors.values())
    feeds = [use.feed for stage in planned.stages for use in stage.method.feeds]
    passes = 2 if any(feed.surveyed for feed in feeds) else 1
    slow = len({feed.name for feed in feeds if feed.surveyed or feed.name == "uniform"})
    compute = planned.numel * planned.n * (1 / ENTRY_RATE + slow / FEED_RATE)
    # Reading, computing and writing overlap; the slowest of them is what one waits for.
    seconds = max(passes * read / READ_RATE, disk / WRITE_RATE, compute)
    return Cost(entries, _peak(planned), disk, round(seconds, 1))


def _peak(planned: Plan) -> int:
    """Return the pieces that all workers hold at once, over what the program itself takes."""
    if not planned.merged:
        return PROGRAM_BYTES
    scope = planned.scope_at(planned.merged[0].settings)
    largest = max(t.numel for t in planned.merged)
    pieces = {"element": min(largest, BLOCK), "model": planned.numel}
    workers = min(os.cpu_count() or 1, 8) if scope == "element" else 1
    return PROGRAM_BYTES + ceil(workers * pieces_at_once(planned) * 4 * pieces.get(scope, largest))


def _space_problems(out: Path | None, needed: int) -> list[Problem]:
    if out is None:
        return []
    there = next((p for p in (out, *out.resolve().parents) if p.is_dir()), None)
    free = shutil.disk_usage(there).free if there is not None else 0
    if free >= needed:
        return []
    what = f"the result takes {size(needed)}, and {size(free)} are free there."
    return [Problem("error", what, str(out), "Free some space, or choose another disk.")]


def _verdict(problems: Sequence[Problem]) -> str:
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more below)" if len(errors) > 1 else ""
        return (
            f"This cannot be merged: {errors[0].where}: {errors[0].what}{more} {errors[0].remedy}"
        )
    if problems:
        noted = "1 thing" if len(problems) == 1 else f"{len(problems)} things"
        return f"This can be merged, with {noted} to know first. Then run merge with --out DIR."
    return "This can be merged. Next, run merge with --out DIR."


def size(count: float) -> str:
    """Return a number of bytes for people.

    Example:
        >>> size(512), size(1_530_000_000)
        ('512 B', '1.5 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"

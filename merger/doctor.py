"""Say, from headers and configs only, whether a merge will work and what it will cost."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

from merger.align import Problem, align
from merger.checkpoint import Checkpoint
from merger.companions import check_tokenizer
from merger.cost import Cost, cost_of
from merger.errors import Cancelled, MergeError
from merger.layered import LayeredCheckpoint
from merger.lineage import Lineage, lineage_of
from merger.model_facts import ModelFacts, facts_of
from merger.notices import notices
from merger.pace import pace_of
from merger.plan import plan
from merger.progress import Report
from merger.recipe import Recipe
from merger.sources import SourceRules, open_source
from merger.speech import speech_notes, words_differ
from merger.tokenizers import match_vocabularies
from merger.unfetched import fetches_of

NO_LINEAGE = Lineage((), "", ())
NOTHING = Cost(0, 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What a merge would meet and cost.

    Args:
        verdict: One or two sentences: will it work, and what to do next.
        problems: Errors and notes.
        parameters: Entries of all tensors of the result.
        peak_bytes: Memory it takes at most, estimated; mapped files not counted.
        disk_bytes: What the result takes on disk.
        seconds: How long it takes, estimated and corrected by merges of this machine.
        models: What each model is, base first.
        licence: Which licences the models state, and what the result inherits.
        words: Whether rows of the embeddings mean the same in all models: "same", "differ", or
            "chosen" where the recipe says which words the result has.
        fetch_bytes: What a merge would still fetch from the hub; None where no model is there.
        rough_seconds: The same before any correction.
        basis: What the seconds are estimated from, in words.
    """

    verdict: str
    problems: tuple[Problem, ...]
    parameters: int
    peak_bytes: int
    disk_bytes: int
    seconds: float
    models: tuple[ModelFacts, ...] = ()
    licence: Lineage = NO_LINEAGE
    words: Literal["same", "differ", "chosen"] = "same"
    fetch_bytes: int | None = None
    rough_seconds: float = 0.0
    basis: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing forbids the merge."""
        return not any(problem.severity == "error" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {
            "problems": [problem._asdict() for problem in self.problems],
            "models": [facts.to_json() for facts in self.models],
            "licence": self.licence.to_json(),
        }


def doctor(
    recipe: Recipe,
    *,
    out: Path | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    pace: Path | None = None,
) -> DoctorReport:
    """Look at the models of a recipe without merging them; no weights are fetched for it.

    Args:
        recipe: What would be merged.
        out: Where to, when the space there is to be looked at too.
        base_dir: Folder that relative paths start from.
        roots: What a visitor may open; None opens everything.
        report: Told of small files that have to be fetched first.
        cancel: Stops what is fetched.
        pace: Where it is remembered how long merges took on this machine, if anywhere.
    """
    problems: list[Problem] = []
    named = [("base", recipe.base, None)] if recipe.base is not None else []
    named += [(e.name, e.source, e.step) for e in recipe.experts]
    opened: list[tuple[str, Checkpoint]] = []
    for name, source, step in named:
        try:
            base = opened[0][1] if opened and recipe.base is not None else None
            model = open_source(
                source, step, base_dir=base_dir, roots=roots, base=base,
                report=report, cancel=cancel, headers_only=True,
            )  # fmt: skip
            opened.append((name, model))
        except Cancelled:
            raise
        except MergeError as error:
            problems.append(Problem("error", error.message, name, error.hint))
    if problems or not recipe.experts:
        problems += _recipe_problems(recipe)
        return DoctorReport(_verdict(problems), tuple(problems), *NOTHING)
    licence = lineage_of(opened)
    found, cost = _examine(recipe, [model for _, model in opened])
    known = pace_of(pace, recipe.method)
    rough, cost = cost.seconds, cost._replace(seconds=round(cost.seconds * known.factor, 1))
    problems += _layer_notes(opened) + found
    problems += [Problem("note", warning, "licence", "") for warning in licence.warnings]
    problems += _space_problems(out, cost.disk_bytes)
    to_fetch = _fetch_bytes(recipe, [model for _, model in opened])
    facts = tuple(facts_of(name, model) for name, model in opened)
    words = _words(recipe, [model for _, model in opened])
    return DoctorReport(
        _verdict(problems),
        tuple(problems),
        *cost,
        facts,
        licence,
        words,
        to_fetch,
        rough,
        known.words,
    )


def _fetch_bytes(recipe: Recipe, opened: Sequence[Checkpoint]) -> int | None:
    fetches = fetches_of(opened)
    sources = [*([recipe.base] if recipe.base else []), *(e.source for e in recipe.experts)]
    if not fetches and not any("hub:" in source for source in sources):
        return None
    return sum(fetch.missing for fetch in fetches.values())


def _words(recipe: Recipe, opened: Sequence[Checkpoint]) -> Literal["same", "differ", "chosen"]:
    if _is_chosen(recipe):
        return "chosen"
    try:
        return "differ" if words_differ(opened) else "same"
    except MergeError:  # a damaged tokenizer is a problem of its own
        return "same"


def _is_chosen(recipe: Recipe) -> bool:
    return recipe.tokenizer is not None and recipe.tokenizer.source is not None


def _examine(recipe: Recipe, opened: Sequence[Checkpoint]) -> tuple[list[Problem], Cost]:
    """Return what stands in the way of a merge of open models, and what it costs."""
    problems: list[Problem] = []
    base = opened[0] if recipe.base is not None else None
    experts = tuple(opened[len(opened) - len(recipe.experts) :])
    try:
        base, experts, tokenizer = match_vocabularies(recipe, base, experts)
        check_tokenizer(base if base is not None else experts[0], experts, tokenizer)
        problems += [Problem("note", note, "tokenizer", "") for note in tokenizer.notes]
        problems += speech_notes(
            base if base is not None else experts[0],
            experts,
            is_chosen=_is_chosen(recipe),
        )
    except MergeError as error:
        problems.append(Problem("error", error.message, "recipe", error.hint))
    report = align(base, experts, read_heads=False)
    problems += report.problems
    try:
        planned = plan(recipe.resolved(), base, experts, report)
        problems += [Problem(n.severity, n.what, "recipe", n.remedy) for n in notices(planned)]
        return problems, cost_of(planned, report, experts, base)
    except MergeError as error:
        return [*problems, Problem("error", error.message, "recipe", error.hint)], NOTHING


def _layer_notes(opened: Sequence[tuple[str, Checkpoint]]) -> list[Problem]:
    """Return what is to be known of models that are put together from layers."""
    return [
        Problem("note", note, name, "")
        for name, model in opened
        if isinstance(model, LayeredCheckpoint)
        for note in model.notes
    ]


def _recipe_problems(recipe: Recipe) -> list[Problem]:
    try:
        recipe.resolved()
    except MergeError as error:
        return [Problem("error", error.message, "recipe", error.hint)]
    return []


def _space_problems(out: Path | None, needed: int) -> list[Problem]:
    if out is None:
        return []
    # A name that is too long is no folder, which pathlib would raise about.
    above = (out, *out.resolve().parents)
    there = next((p for p in above if os.path.isdir(p)), None)  # noqa: PTH112
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

"""Look before a merge: what stands against it stops it, and what is to be known is told."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from merger.doctor import DoctorReport, doctor
from merger.errors import MergeError
from merger.models import open_models
from merger.progress import Report
from merger.recipe import Recipe
from merger.sources import SourceRules


def preflight(
    recipe: Recipe,
    *,
    tell: Callable[[str], None],
    out: Path | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    pace: Path | None = None,
) -> DoctorReport:
    """Ask the doctor about a recipe, tell what was noticed, and stop where a merge would.

    Args:
        recipe: What is to be merged.
        tell: Told each thing in one line, but for the error that is raised.
        out: Where to, when the space there counts.
        base_dir: Folder that relative paths start from.
        roots: What a visitor may open; None opens everything.
        report: Told of bytes that have to be fetched first.
        cancel: Stops what is fetched.
        pace: Where it is remembered how long merges took, if anywhere.
    Raises:
        MergeError: what forbids the merge, of the kind that the merge itself raises.
    """
    places: dict[str, Any] = {"base_dir": base_dir, "roots": roots, "cancel": cancel}
    found = doctor(recipe, out=out, report=report, pace=pace, **places)
    first = next((p for p in found.problems if p.severity == "error"), None)
    for problem in found.problems:
        if problem is first:
            continue  # it is raised below
        where = "" if problem.where == "recipe" else f"{problem.where}: "
        tell(f"{problem.severity}: {where}{problem.what} {problem.remedy}".strip())
    if first is not None:
        open_models(recipe, headers_only=True, **places)
        raise MergeError(f"{first.where}: {first.what}", first.remedy)
    return found

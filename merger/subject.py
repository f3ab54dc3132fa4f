"""What can be scored: a recipe that is merged in memory, or a model that is there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import MergeError, SourceError
from merger.models import open_models
from merger.parts import Parts, Tensors
from merger.progress import Report
from merger.recipe import Recipe
from merger.scorer import read_tensors
from merger.sources import open_source, split_source


@dataclass(frozen=True)
class Subject:
    """What is scored.

    Args:
        reference: Its headers, config and tokenizer.
        digest: The recipe's digest, or the content id of a saved model.
        tensors: Returns its numbers by name on disk, or one model per expert.
        experts: What it was merged from, as far as known.
        parts: Names of the experts where each has a model of its own.
    """

    reference: Checkpoint
    digest: str
    tensors: Callable[[], Tensors | Parts]
    experts: tuple[Checkpoint, ...]
    parts: tuple[str, ...] = ()


def open_subject(
    target: Recipe | str | Path,
    base_dir: Path | None,
    *,
    report: Report | None = None,
    cancel: Event | None = None,
) -> Subject:
    """Open a recipe, a recipe's file, a model folder or another source.

    Args:
        target: What to open.
        base_dir: Folder that relative sources start from.
        report: Told of bytes that have to be fetched first.
        cancel: Stops what is fetched.

    Raises:
        SourceError: there is no such thing.
    """
    if isinstance(target, Recipe):
        return _open_recipe(target, base_dir, report, cancel)
    if isinstance(target, str):
        scheme, rest = split_source(target)
        if scheme != "file":
            model = open_source(target, base_dir=base_dir, report=report, cancel=cancel)
            return Subject(model, model.content_id(), lambda: read_tensors(model), ())
        target = rest
    path = Path(target) if base_dir is None else base_dir / target
    if path.is_file() and path.suffix != ".safetensors":
        return _open_recipe(Recipe.load(path), base_dir, report, cancel)
    if not path.is_dir():
        raise SourceError(
            f"{path}: must be a recipe or a model folder, nothing is there.",
            "Give a recipe.yaml or a folder with a config.json.",
        )
    saved = FileCheckpoint(path)
    return Subject(saved, saved.content_id(), lambda: read_tensors(saved), _lineage(path))


def _lineage(folder: Path) -> tuple[Checkpoint, ...]:
    """Return the experts that a saved merge names in its recipe, as far as they still exist."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        return ()
    try:
        return tuple(open_source(e.source, e.step) for e in Recipe.load(path).experts)
    except MergeError:
        return ()


def _open_recipe(
    recipe: Recipe, base_dir: Path | None, report: Report | None, cancel: Event | None
) -> Subject:
    from merger.in_memory import merge_in_memory, merge_parts  # noqa: PLC0415  (imports torch)

    models = open_models(recipe, base_dir=base_dir, report=report, cancel=cancel)
    if models.plan.method.output == "per_task":
        return Subject(
            models.reference,
            models.digest,
            lambda: merge_parts(recipe, base_dir=base_dir),
            models.experts,
            models.plan.names,
        )
    return Subject(
        models.reference,
        models.digest,
        lambda: merge_in_memory(recipe, base_dir=base_dir).tensors,
        models.experts,
    )

"""Merge models and keep the result in memory; the tensors are those that the engine writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from merger.compute import prepare
from merger.errors import RecipeError
from merger.lazy import Tensor
from merger.models import Models, open_models
from merger.parts import Parts
from merger.progress import Report
from merger.recipe import Recipe
from merger.sources import SourceRules


@dataclass(frozen=True, slots=True)
class Merged:
    """A model merged in memory.

    Args:
        tensors: Its tensors by their names on disk.
        digest: Names recipe and weights.
    """

    tensors: Mapping[str, Tensor]
    digest: str


def merge_in_memory(
    recipe: Recipe,
    *,
    report: Report | None = None,
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> Merged:
    """Merge models and keep the result in memory; the tensors are those that `merge` writes."""
    models = open_models(recipe, base_dir=base_dir, roots=roots, report=report, cancel=cancel)
    if models.plan.method.output == "per_task":
        raise RecipeError(
            f"{models.plan.method.title} gives one model per expert, and one is needed here.",
            "Merge it into a folder, and use one of the models there.",
        )
    tensors = shaped_tensors(models, cancel)
    return Merged(tensors, models.digest)


def shaped_tensors(models: Models, cancel: Event | None = None) -> dict[str, Tensor]:
    """Merge open models, and return the tensors in their shapes, by their names on disk."""
    return _shaped(models, _flat_tensors(models, cancel))


def merge_parts(
    recipe: Recipe,
    *,
    cancel: Event | None = None,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> Parts:
    """Merge with a method that gives one model per expert, and keep the results in memory."""
    models = open_models(recipe, base_dir=base_dir, roots=roots)
    flat = _flat_tensors(models, cancel)
    return Parts(
        {
            name: _shaped(models, {key: rows[i] for key, rows in flat.items()})
            for i, name in enumerate(models.plan.names)
        }
    )


def _flat_tensors(models: Models, cancel: Event | None) -> dict[str, Tensor]:
    """Return all merged tensors, flat, with one row per expert where each gets a model."""
    prepared = prepare(models.plan, models.base, models.experts, cancel=cancel)
    tensors = {tensor.key: prepared.merge_tensor(tensor.key) for tensor in models.plan.tensors}
    models.check_unchanged()
    return tensors


def _shaped(models: Models, flat: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return flat tensors in their shapes, tied ones under all their names, sorted."""
    whole = {key: values.reshape(models.plan.by_key[key].shape) for key, values in flat.items()}
    whole |= {alias: whole[origin] for alias, origin in models.report.tied.items()}
    return {key: whole[key] for key in sorted(whole)}

"""The tasks of the bundled experts: their images, their heads, and their best scores."""

from __future__ import annotations

from functools import cache

from merger.checkpoint import Checkpoint
from merger.errors import SourceError
from merger.tasks.images import ImageTask


@cache
def zoo_tasks() -> tuple[ImageTask, ...]:
    """Return the tasks of the bundled experts, in the zoo's order."""
    from merger.zoo import read  # noqa: PLC0415  (language models do without the zoo)

    return tuple(
        ImageTask(
            name=entry.name,
            title=entry.title,
            expert=entry.expert,
            splits=entry.splits,
            load=lambda split, name=entry.name: read.load_task(name, split),
            load_head=lambda name=entry.name: read.load_head(name),
            content=entry.content,
            best_scores=entry.best,
            classes=entry.classes,
        )
        for entry in read.tasks()
    )


def fits_zoo(reference: Checkpoint) -> bool:
    """Say whether a model has the tensors of the bundled base, so that its heads fit."""
    config = reference.config() or {}
    if config.get("model_type") != "vit":
        return False
    from merger.zoo import read  # noqa: PLC0415  (language models do without the zoo)

    try:
        ours = read.open_checkpoint("base").tensors
    except SourceError:
        # A zoo that is not built must not stop people from merging models of their own.
        return False
    theirs = reference.tensors
    return set(ours) == set(theirs) and all(ours[k].shape == theirs[k].shape for k in ours)

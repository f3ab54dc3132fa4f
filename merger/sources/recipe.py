"""`recipe:PATH`: the model that another recipe describes, merged in memory."""

from merger.checkpoint import Checkpoint, MemoryCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.recipe import Recipe
from merger.sources import Opening


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Merge another recipe and hand its result on as a model."""
    # The engine opens sources, so it can only be imported once this is asked for.
    from merger.in_memory import merge_in_memory  # noqa: PLC0415

    opening.refuse_step(f"recipe:{rest}")
    path = opening.path(rest)
    if not path.is_file():
        raise SourceError(f"{shown(str(path))} does not exist.", "Give the YAML file of a recipe.")
    recipe = Recipe.load(path)
    merged = merge_in_memory(
        recipe,
        report=opening.report,
        cancel=opening.cancel,
        base_dir=opening.base_dir,
        roots=opening.roots,
        nesting=opening.nesting + 1,
    )
    if merged.is_extended:
        raise SourceError(
            f"recipe {path.name} makes a tokenizer of its own, which lies in no folder yet.",
            "Merge it into a folder, and name that.",
        )
    return MemoryCheckpoint(
        merged.tensors,
        f"recipe {path.name}",
        folder=merged.folder,
        config=merged.config,
        content_id=merged.digest,
        made_of=merged.made_of,
    )

"""What a finished merge left on disk, as the command line and the job tell it."""

from pathlib import Path
from typing import Any

from merger.recipe import Recipe, source_key
from merger.sources import open_source
from merger.workspace import folder_bytes


def outcome_of(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Return where a merged model lies, how large it is, its files and its digest."""
    files = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return {
        "path": str(path),
        "bytes": folder_bytes(path),
        "files": sorted(files),
        "digest": recipe.digest(_content_ids(recipe)),
    }


def _content_ids(recipe: Recipe) -> dict[str, str]:
    ids = {source_key(e): open_source(e.source, e.step).content_id() for e in recipe.experts}
    if recipe.base is not None:
        ids[recipe.base] = open_source(recipe.base).content_id()
    return ids

"""What a finished merge left on disk, as the command line and the job tell it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merger.models import open_models
from merger.recipe import Recipe
from merger.sources import SourceRules
from merger.workspace import folder_bytes


def outcome_of(
    path: Path,
    recipe: Recipe,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> dict[str, Any]:
    """Return where a merged model lies, how large it is, its files and its digest."""
    files = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return {
        "path": str(path),
        "bytes": folder_bytes(path),
        "files": sorted(files),
        "digest": open_models(recipe, base_dir=base_dir, roots=roots).digest,
    }

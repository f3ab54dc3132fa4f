"""`hub:org/name[@revision]`: a model of the hub, downloaded once into its usual cache."""

import re
from pathlib import Path

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.hub.fetch import Wish, fetch
from merger.sources import Opening

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model of the hub, downloading what is not in the cache yet."""
    opening.refuse_step(f"hub:{rest}")
    folder, name = fetch_repository(rest, opening)
    return FileCheckpoint(folder, label=name)


def fetch_repository(rest: str, opening: Opening, *, is_adapter: bool = False) -> tuple[Path, str]:
    """Return the folder of a repository of the hub, downloaded if need be, and its name."""
    name, _, revision = rest.partition("@")
    if not REPOSITORY.fullmatch(name):
        raise SourceError(
            f"hub:{shown(rest)} must be hub:organisation/name or hub:organisation/name@revision.",
            "Copy the name from the model's page.",
        )
    wish = Wish(name, revision or None, is_adapter, opening.access, opening.report, opening.cancel)
    return fetch(wish), name

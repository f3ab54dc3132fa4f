"""`hub:org/name[@revision]`: a model of the hub, downloaded once into its usual cache."""

import re
from pathlib import Path

from merger.checkpoint import Checkpoint, FileCheckpoint
from merger.errors import SourceError
from merger.header import shown
from merger.hub.asking import Wish
from merger.hub.fetch import fetch
from merger.hub.headers import open_headers
from merger.hub.kept import granted_folder
from merger.sources import Opening

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def open_here(rest: str, opening: Opening) -> Checkpoint:
    """Open a model of the hub, downloading what is not in the cache yet."""
    opening.refuse_step(f"hub:{rest}")
    wish = wish_of(rest, opening)
    if opening.headers_only and not _is_granted(wish, opening):
        return open_headers(wish)
    return FileCheckpoint(fetched(wish, opening), label=wish.name)


def wish_of(rest: str, opening: Opening, *, is_adapter: bool = False) -> Wish:
    """Return what a source asks of the hub.

    Raises:
        SourceError: It is not the name of a repository.
    """
    name, _, revision = rest.partition("@")
    if not REPOSITORY.fullmatch(name):
        raise SourceError(
            f"hub:{shown(rest)} must be hub:organisation/name or hub:organisation/name@revision.",
            "Copy the name from the model's page.",
        )
    return Wish(name, revision or None, is_adapter, opening.access, opening.report, opening.cancel)


def fetched(wish: Wish, opening: Opening) -> Path:
    """Return the folder of a repository, downloaded if need be.

    What was granted is read from the cache alone: the hub has said that the asker may.
    """
    return granted_folder(wish) if _is_granted(wish, opening) else fetch(wish)


def _is_granted(wish: Wish, opening: Opening) -> bool:
    return opening.roots is not None and f"{wish.name}@{wish.revision}" in opening.roots.granted

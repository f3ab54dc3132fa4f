"""A model whose weights are still on the hub: its headers are enough for the doctor."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from merger.checkpoint import Checkpoint
from merger.content import ID_BYTES
from merger.errors import SourceError
from merger.header import FileHeader, TensorInfo
from merger.layout import Layout, model_config
from merger.lazy import Tensor


class Fetch(NamedTuple):
    """What is still to be fetched of a model.

    Args:
        source: Names the repository and its commit.
        bytes: Of the weight files that a merge needs.
        missing: Of those, what is not in the cache.
    """

    source: str
    bytes: int
    missing: int


class UnfetchedCheckpoint:
    """A model of the hub whose weights are not here yet; everything but `read` works.

    Args:
        label: How to call it in messages.
        folder: Where config and tokenizer files lie.
        layout: The headers of its weight files, checked as those of any file.
        fetch: What a merge would fetch of it.
    """

    def __init__(self, label: str, folder: Path, layout: Layout, fetch: Fetch) -> None:
        self.label = label
        self.folder: Path | None = folder
        self.fetch = fetch
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(
            {key: place.info for key, place in layout.places.items()}
        )
        self._layout = layout

    @property
    def file(self) -> FileHeader:
        """The header of its only, or first, weight file."""
        return self._layout.files[0]

    def config(self) -> dict[str, Any] | None:
        """Return what config.json says, or None where there is none."""
        return None if self.folder is None else model_config(self.folder)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Raise: the numbers are not here."""
        self._refuse()

    def content_id(self) -> str:
        """Return an id of the repository at its commit, which says nothing of equal weights."""
        text = f"unfetched {self.fetch.source}".encode()
        return hashlib.blake2b(text, digest_size=ID_BYTES).hexdigest()

    def check_unchanged(self) -> None:
        """Do nothing: a commit never changes."""

    def _refuse(self) -> NoReturn:
        raise SourceError(
            f"{self.label}: its weights have not been fetched from the hub yet.",
            "Merge the recipe, which fetches them.",
        )


def is_unfetched(model: Checkpoint) -> bool:
    """Return whether a model's own weights are not here yet."""
    return isinstance(model, UnfetchedCheckpoint)


def fetches_of(models: Iterable[Checkpoint]) -> dict[str, Fetch]:
    """Return what is still to be fetched of models and of what they are made of, by source."""
    found: dict[str, Fetch] = {}
    for model in models:
        if isinstance(model, UnfetchedCheckpoint):
            found[model.fetch.source] = model.fetch
        else:
            found |= fetches_of(getattr(model, "made_of", ()))
    return found

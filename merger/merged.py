"""A model that another recipe describes: known by its headers, merged when a number is needed."""

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from threading import Event, Lock
from types import MappingProxyType
from typing import Any
from weakref import finalize

from merger.checkpoint import Checkpoint, MemoryCheckpoint
from merger.companions import copy_companions
from merger.header import TensorInfo
from merger.lazy import Tensor
from merger.models import Models


class MergedCheckpoint:
    """A merge as a model: nothing is computed before the first read, then all of it, in memory.

    So the doctor reads headers only, and a merge of merges runs the inner one once.

    Args:
        models: What the inner recipe merges.
        label: How to call it in messages.
        cancel: Stops the inner merge.
    """

    def __init__(self, models: Models, label: str, cancel: Event | None = None) -> None:
        self.label = label
        self._models = models
        self._cancel = cancel
        self._lock = Lock()
        self._merged: MemoryCheckpoint | None = None
        infos = {t.key: TensorInfo(t.key, t.out_dtype, t.shape) for t in models.plan.tensors}
        infos |= {
            alias: infos[origin]._replace(key=alias)
            for alias, origin in models.report.tied.items()
        }
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(dict(sorted(infos.items())))
        self.folder = self._home()

    @property
    def made_of(self) -> tuple[Checkpoint, ...]:
        """The models that are merged."""
        return self._models.all

    def config(self) -> dict[str, Any] | None:
        """Return what the config of its base says."""
        return self._models.reference.config()

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype that is merged into."""
        with self._lock:
            if self._merged is None:
                from merger.in_memory import shaped_tensors  # noqa: PLC0415  (imports torch)

                tensors = shaped_tensors(self._models, self._cancel)
                self._merged = MemoryCheckpoint(tensors, self.label)
        return self._merged.read(key, start, stop)

    def content_id(self) -> str:
        """Return the digest of the inner merge."""
        return self._models.digest

    def check_unchanged(self) -> None:
        """Raise SourceError if a model that is merged is not the one that was opened."""
        self._models.check_unchanged()

    def _home(self) -> Path | None:
        """Return where its tokenizer lies; one that no model has is written to lie somewhere."""
        tokenizer = self._models.tokenizer
        if tokenizer.made is not None:
            folder = Path(mkdtemp(prefix="mergescope-"))
            finalize(self, rmtree, folder, ignore_errors=True)
            models = self._models
            copy_companions(
                models.reference, models.experts, folder, models.recipe.out_dtype, tokenizer
            )
            return folder
        donor = tokenizer.donor
        listed = self._models.all if donor is None else (donor, *self._models.all)
        return next((model.folder for model in listed if model.folder is not None), None)

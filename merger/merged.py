"""A model that another recipe describes: known by its headers, merged as numbers are needed."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from threading import BoundedSemaphore, Event, Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import finalize

from merger.checkpoint import Checkpoint
from merger.companions import copy_companions
from merger.header import TensorInfo
from merger.inputs import CheckpointInputs
from merger.kernels.choice import FastForms
from merger.lazy import Tensor
from merger.lru import Lru
from merger.models import Models
from merger.plan import Plan
from merger.stream import total_memory

if TYPE_CHECKING:
    from merger.compute import Prepared

# Where nobody says more, such a share of the machine's memory is for the tensors of one merge.
HELD_SHARE = 8


class MergedCheckpoint:
    """A merge as a model: a tensor is merged when it is first read, and held for the next read.

    So the doctor reads headers only, and a merge of merges takes no second copy on disk. Tensors
    that are too many to be held are merged again when they are read again.

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
        self._prepared: Prepared | None = None
        self._held: Lru[Tensor] = Lru(total_memory() // HELD_SHARE, lambda tensor: tensor.nbytes)
        self._merging = BoundedSemaphore(1)
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
        origin = self._models.report.tied.get(key, key)
        merged = self._held.get_or_make(origin, lambda: self._merge(origin))
        return merged[start:stop]

    @property
    def plan(self) -> Plan:
        """What is merged, and how."""
        return self._models.plan

    @cached_property
    def fast(self) -> FastForms:
        """The faster forms of the merge, if there are any."""
        models = self._models
        return FastForms(models.plan, CheckpointInputs(models.plan, models.base, models.experts))

    def serve(self, workers: int, held: int, at_once: int) -> None:
        """Be ready for threads that read different tensors.

        Args:
            workers: How many there are; as many tensors are always held.
            held: Bytes that held tensors may take beyond that.
            at_once: How many tensors may be merged at the same time.
        """
        self._held.least, self._held.budget = workers, held
        self._merging = BoundedSemaphore(at_once)
        self.fast.serve(at_once)

    def _merge(self, key: str) -> Tensor:
        prepared = self._prepare()
        with self._merging:
            return prepared.merge_tensor(key)

    def _prepare(self) -> "Prepared":
        """Return the merge, ready to run: what it measures first is measured once."""
        from merger.compute import prepare  # noqa: PLC0415  (imports torch)

        with self._lock:
            if self._prepared is None:
                models = self._models
                self._prepared = prepare(
                    models.plan, models.base, models.experts, cancel=self._cancel, fast=self.fast
                )
            return self._prepared

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

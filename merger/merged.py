"""A model that another recipe describes: known by its headers, merged as numbers are needed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from threading import Event, Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import finalize

from merger.checkpoint import Checkpoint
from merger.companions import copy_companions
from merger.header import TensorInfo
from merger.lazy import Tensor
from merger.lru import Lru
from merger.matched import plain
from merger.models import Models
from merger.stream import total_memory

if TYPE_CHECKING:
    from merger.compute import Prepared

# Such a share of the machine's memory is for the tensors of one merge inside another.
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
        merged = self._held.get_or_make(origin, lambda: self._merge().merge_tensor(origin))
        return merged[start:stop]

    @property
    def held_bytes(self) -> int:
        """How much memory its tensors take at most, as long as nobody says how much to hold."""
        sizes = [info.nbytes for info in self.tensors.values()]
        return min(sum(sizes), max(self._held.budget, *sizes, 0))

    def hold(self, memory: int) -> None:
        """Hold no more tensors than fit into so many bytes, but always the last one."""
        self._held.budget = memory

    def _merge(self) -> "Prepared":
        """Return the merge, ready to run: what it measures first is measured once."""
        from merger.compute import prepare  # noqa: PLC0415  (imports torch)

        with self._lock:
            if self._prepared is None:
                models = self._models
                self._prepared = prepare(
                    models.plan, models.base, models.experts, cancel=self._cancel
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


def merges_inside(models: Iterable[Checkpoint]) -> list[MergedCheckpoint]:
    """Return the merges that models are or are put together from, each once."""
    found: dict[int, MergedCheckpoint] = {}
    for model in map(plain, models):
        if isinstance(model, MergedCheckpoint):
            found[id(model)] = model
        found |= {id(m): m for m in merges_inside(getattr(model, "made_of", ()))}
    return list(found.values())


def share_memory(models: Iterable[Checkpoint], memory: int | None) -> int | None:
    """Give half of a budget to the merges inside models, and return what is left for blocks.

    Args:
        models: What is merged.
        memory: Bytes; a quarter of the machine's when None.
    """
    inside = merges_inside(models)
    if not inside:
        return memory
    half = (memory if memory is not None else total_memory() // 4) // 2
    for merge in inside:
        merge.hold(half // len(inside))
    return half

"""A model whose embedding and head speak another vocabulary: the rows are moved as they are read.

Nothing is copied: a row of the new vocabulary is one of the model's own, or one that stands in
for a token that the model does not know.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

from merger.checkpoint import TORCH_NAMES, Checkpoint, FileCheckpoint, MemoryCheckpoint
from merger.content import ID_BYTES
from merger.errors import FeedError
from merger.header import TensorInfo
from merger.lazy import Tensor, torch
from merger.row_plan import FILL, MEAN, RowPlan
from merger.vocabulary import vocabulary_axis, vocabulary_keys

# Rows that are averaged at once.
BAND = 4096


class Run(NamedTuple):
    """Rows that follow each other in the new embedding and in the old one."""

    start: int
    stop: int
    old: int


class MatchedCheckpoint:
    """A model with its vocabulary rows brought to the ids of another tokenizer.

    Args:
        models: All models that are merged, as they are; those that stand in are among them.
        index: Which of them this is.
        reference: Which of them decides the dtype of rows that stand in.
        plan: Where each row comes from.
        config: Changes of the config besides the size of the vocabulary.
        voice: Where the tokenizer lies whose ids these are.
    """

    def __init__(
        self,
        models: Sequence[Checkpoint],
        index: int,
        reference: int,
        plan: RowPlan,
        config: Mapping[str, Any] | None = None,
        voice: Path | None = None,
    ) -> None:
        self.model = models[index]
        self.label = self.model.label
        # The ids that go into the model are those of the tokenizer that lies there.
        self.folder = voice if voice is not None else self.model.folder
        self.keys = vocabulary_keys(self.model)
        self._models = tuple(models)
        self._index = index
        self._reference = models[reference]
        self._plan = plan
        self._config = dict(config or {})
        self._means: dict[str, Tensor] = {}
        self._lock = Lock()
        infos = {key: self._resized(key) for key in self.keys}
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(
            {key: infos.get(key, info) for key, info in self.model.tensors.items()}
        )

    @cached_property
    def _runs(self) -> list[Run]:
        return _runs(self._plan.own[self._index])

    @cached_property
    def _starts(self) -> list[int]:
        return [run.start for run in self._runs]

    def _resized(self, key: str) -> TensorInfo:
        info = self.model.tensors[key]
        along = vocabulary_axis(key, info)
        shape = tuple(self._plan.rows if axis == along else n for axis, n in enumerate(info.shape))
        there = self._reference.tensors.get(key, info)
        if info.dtype == there.dtype:
            return info._replace(shape=shape)
        # Wide enough for the reference's rows, so that a row that stands in changes nothing.
        return info._replace(
            shape=shape, dtype="F64" if "F64" in (info.dtype, there.dtype) else "F32"
        )

    def config(self) -> dict[str, Any] | None:
        """Return the model's config with the new size of the vocabulary."""
        table = self.model.config()
        if table is None:
            return None
        inner = table.get("text_config")
        if isinstance(inner, dict) and "vocab_size" in inner:
            table |= {"text_config": inner | {"vocab_size": self._plan.rows}}
        if "vocab_size" in table or not isinstance(inner, dict):
            table |= {"vocab_size": self._plan.rows}
        return table | self._config

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype that `tensors` says."""
        if key not in self.keys:
            return self.model.read(key, start, stop)
        info = self.tensors[key]
        dtype = getattr(torch, TORCH_NAMES[info.dtype])
        stop = info.numel if stop is None else min(stop, info.numel)
        if stop <= start:
            return torch.empty(0, dtype=dtype)
        width = info.numel // self._plan.rows
        first, last = start // width, -(-stop // width)
        run = self._runs[bisect_right(self._starts, first) - 1]
        if run.old >= 0 and last <= run.stop and info.dtype == self.model.tensors[key].dtype:
            # Most rows lie together as before, and need no copy.
            moved = (run.old - run.start) * width
            return self.model.read(key, start + moved, stop + moved)
        rows = self._rows(key, first, last, width, dtype)
        skip = start - first * width
        return rows.reshape(-1)[skip : skip + stop - start]

    def _rows(
        self, key: str, first: int, last: int, width: int, dtype: Any, *, means: bool = True
    ) -> Tensor:
        found = torch.empty((last - first, width), dtype=dtype)
        runs = self._runs[bisect_right(self._starts, first) - 1 :]
        runs = [run for run in runs[: last - first + 1] if run.start < last]
        if len(runs) > 64 and isinstance(self.model, FileCheckpoint | MemoryCheckpoint):
            # These are mapped: taking a whole tensor costs nothing, asking often does.
            own = torch.tensor(self._plan.own[self._index][first:last])
            whole = self.model.read(key).reshape(-1, width)
            if whole.dtype == dtype and bool((own >= 0).all()):
                return whole.index_select(0, own)
            found[own >= 0] = whole[own[own >= 0]].to(dtype)
            runs = [run for run in runs if run.old < 0]
        for run in runs:
            low, high = max(run.start, first), min(run.stop, last)
            part = found[low - first : high - first]
            if run.old >= 0:
                at = run.old + low - run.start
                values = self.model.read(key, at * width, (at + high - low) * width)
                part.copy_(values.reshape(-1, width))
            elif run.old == MEAN:
                part.copy_(self._mean(key, width).expand_as(part) if means else part.zero_())
            else:
                for row, new in zip(part, range(low, high), strict=True):
                    row.copy_(self._stand_in(key, new, width))
        return found

    def _stand_in(self, key: str, new: int, width: int) -> Tensor:
        """Return the row of a token that this model does not know, as the reference rounds it."""
        total = torch.zeros(width, dtype=torch.float32)
        rows = self._plan.fills[new]
        for row in rows:
            model = self._models[row.model]
            if key not in model.tensors:
                raise FeedError(
                    f"tokenizer: {model.label} has no {key} to take the row of a token from.",
                    "Name another model for this token.",
                )
            total += model.read(key, row.row * width, (row.row + 1) * width).to(torch.float32)
        return self._rounded(key, total / max(1, len(rows)))

    def _mean(self, key: str, width: int) -> Tensor:
        """Return the mean of the rows of all tokens."""
        with self._lock:
            if key not in self._means:
                total = torch.zeros(width, dtype=torch.float64)
                ids = torch.tensor(self._plan.tokens)
                for start in range(0, self._plan.rows, BAND):
                    stop = min(start + BAND, self._plan.rows)
                    inside = ids[(ids >= start) & (ids < stop)] - start
                    dtype = getattr(torch, TORCH_NAMES[self.tensors[key].dtype])
                    if len(inside):
                        last = start + int(inside[-1]) + 1
                        band = self._rows(key, start, last, width, dtype, means=False)
                        total += band[inside].double().sum(0)
                self._means[key] = self._rounded(key, total / max(1, len(ids)))
            return self._means[key]

    def _rounded(self, key: str, values: Tensor) -> Tensor:
        there = self._reference.tensors.get(key, self.tensors[key])
        return values.to(getattr(torch, TORCH_NAMES[there.dtype]))

    def content_id(self) -> str:
        """Return an id that changes when the models, or the places of the rows, change."""
        total = hashlib.blake2b(digest_size=ID_BYTES)
        total.update(f"{self.model.content_id()} {self._plan.rows} {self._config}".encode())
        total.update(self._plan.own[self._index].tobytes())
        total.update(self._plan.tokens.tobytes())
        standing = {row.model for rows in self._plan.fills.values() for row in rows}
        for index in sorted(standing):
            total.update(self._models[index].content_id().encode())
        total.update(repr(sorted(self._plan.fills.items())).encode())
        return total.hexdigest()

    def check_unchanged(self) -> None:
        """Raise SourceError if a model is not the one that was opened."""
        for model in self._models:
            model.check_unchanged()


def plain(model: Checkpoint) -> Checkpoint:
    """Return a model as it lies on disk, whatever its rows were brought to."""
    return model.model if isinstance(model, MatchedCheckpoint) else model


def plain_at(model: Checkpoint, key: str) -> Checkpoint:
    """Return a model as it lies on disk where a tensor of it is as it was."""
    if isinstance(model, MatchedCheckpoint) and key not in model.keys:
        return model.model
    return model


def added_parameters(model: Checkpoint) -> int:
    """Return how many entries a model has more, or fewer, than on disk."""
    there = plain(model).tensors
    return sum(prod(i.shape) - prod(there[k].shape) for k, i in model.tensors.items())


def _runs(own: Sequence[int]) -> list[Run]:
    found: list[Run] = []
    for new, row in enumerate(own):
        if found and _continues(found[-1], new, row):
            found[-1] = found[-1]._replace(stop=new + 1)
        else:
            found.append(Run(new, new + 1, row))
    return found


def _continues(run: Run, new: int, row: int) -> bool:
    if row in (FILL, MEAN):
        return row == run.old
    return run.old >= 0 and row == run.old + new - run.start

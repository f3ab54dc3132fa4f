"""Read the tensors of a model piece by piece, without loading it."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol

from merger.content import ID_BYTES, content_id
from merger.errors import SourceError
from merger.header import TensorInfo
from merger.layout import model_config, read_layout
from merger.lazy import Tensor, torch
from merger.mapping import MappedFile

# safetensors' words on the left, torch's names on the right.
TORCH_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16",
        "U32": "uint32", "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16",
        "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    }
)  # fmt: skip


class Checkpoint(Protocol):
    """One model: named tensors that are read lazily, and the folder that its other files lie in.

    Args:
        label: How to call it in messages.
        tensors: Name, dtype and shape of each tensor, by its name on disk, sorted.
        folder: Where config and tokenizer files lie, if anywhere.
    """

    @property
    def label(self) -> str: ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]: ...

    @property
    def folder(self) -> Path | None: ...

    def config(self) -> dict[str, Any] | None:
        """Return what config.json says, or None where there is none."""
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype it is stored in."""
        ...

    def content_id(self) -> str:
        """Return an id that changes when the weights change."""
        ...

    def check_unchanged(self) -> None:
        """Raise SourceError if the weights are not those that were opened."""
        ...


class FileCheckpoint:
    """A model on disk: a folder with one or more safetensors files, or one such file."""

    def __init__(self, path: Path, label: str | None = None) -> None:
        layout = read_layout(path)
        self.folder: Path | None = path if path.is_dir() else path.parent
        self.label = label or path.resolve().name
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(
            {key: place.info for key, place in layout.places.items()}
        )
        self._places = layout.places
        self._files = {header.path: (header.size, header.mtime_ns) for header in layout.files}
        self._maps: dict[Path, MappedFile] = {}
        self._lock = Lock()

    def config(self) -> dict[str, Any] | None:
        """Return what config.json says, or None where there is none."""
        return None if self.folder is None else model_config(self.folder)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype it is stored in."""
        place = self._places[key]
        dtype = getattr(torch, TORCH_NAMES[place.info.dtype])
        stop = place.info.numel if stop is None else min(stop, place.info.numel)
        if stop <= start:
            return torch.empty(0, dtype=dtype)
        self._check_file(place.path)
        file = self._map(place.path)
        at = place.start + start * dtype.itemsize
        size = (stop - start) * dtype.itemsize
        file.fetch(at, size)
        raw = torch.frombuffer(file.data, dtype=torch.uint8, count=size, offset=at)
        if at % dtype.itemsize:
            return torch.frombuffer(bytearray(raw.numpy().data), dtype=dtype)
        return raw.view(dtype)

    def content_id(self) -> str:
        """Return an id that changes when the weights change."""
        return content_id(self._files)

    def check_unchanged(self) -> None:
        """Raise SourceError if a weight file is not the one that was opened."""
        for path in self._files:
            self._check_file(path)
        with self._lock:
            maps = list(self._maps.values())
        for file in maps:
            file.check()

    def _check_file(self, path: Path) -> None:
        try:
            # Asked at every read; pathlib would take longer than the system.
            stat = os.stat(path)  # noqa: PTH116
            now = (stat.st_size, stat.st_mtime_ns)
        except OSError:
            now = None
        if now != self._files[path]:
            raise _changed(path)

    def _map(self, path: Path) -> MappedFile:
        with self._lock:
            if path not in self._maps:
                try:
                    file = MappedFile(path)
                except SourceError:
                    # One that was emptied a moment ago cannot be mapped, which is not the point.
                    self._check_file(path)
                    raise
                if len(file.data) != self._files[path][0]:
                    raise _changed(path)
                self._maps[path] = file
            return self._maps[path]


def _changed(path: Path) -> SourceError:
    return SourceError(
        f"{path} changed while it was being read.",
        "Start again when nothing writes to it any more.",
    )


class MemoryCheckpoint:
    """A model that is already in memory: its tensors by name."""

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        label: str = "tensors in memory",
        *,
        folder: Path | None = None,
        config: Mapping[str, Any] | None = None,
        content_id: str | None = None,
    ) -> None:
        words = {name: word for word, name in TORCH_NAMES.items()}
        self.label = label
        self.folder = folder
        self._config = config
        self._content_id = content_id
        self._flat: dict[str, Tensor] = {}
        infos: dict[str, TensorInfo] = {}
        for key in sorted(tensors):
            tensor = tensors[key].detach()
            dtype = words.get(str(tensor.dtype).removeprefix("torch."))
            if dtype is None:
                raise SourceError(
                    f"{label}: {key} has the dtype {tensor.dtype}, which cannot be stored.",
                    "Convert it to a plain floating-point dtype.",
                )
            infos[key] = TensorInfo(key, dtype, tuple(tensor.shape))
            # A single entry may keep the stride that it had in a larger tensor.
            self._flat[key] = tensor.contiguous().as_strided((tensor.numel(),), (1,))
        self.tensors: Mapping[str, TensorInfo] = MappingProxyType(infos)

    def config(self) -> dict[str, Any] | None:
        """Return what config.json says, or None where there is none."""
        if self._config is not None:
            return dict(self._config)
        return None if self.folder is None else model_config(self.folder)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return entries start to stop of a tensor, flat, in the dtype it is stored in."""
        return self._flat[key][start:stop]

    def content_id(self) -> str:
        """Return an id that changes when the weights change."""
        if self._content_id is None:
            self._content_id = _digest_tensors(self.tensors.values(), self._flat)
        return self._content_id

    def check_unchanged(self) -> None:
        """Do nothing: memory is changed by its owner only."""


def _digest_tensors(infos: Iterable[TensorInfo], flat: Mapping[str, Tensor]) -> str:
    total = hashlib.blake2b(digest_size=ID_BYTES)
    for info in infos:
        total.update(repr(tuple(info)).encode("utf-8", "surrogatepass"))
        total.update(flat[info.key].cpu().view(torch.uint8).numpy().data)
    return total.hexdigest()

"""Lay out the files of a model before its first byte is computed."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from merger.header import BITS, TensorInfo

SHARD_BYTES = 5_000_000_000


class Slot(NamedTuple):
    """Where a tensor will lie: its file and its first byte in it."""

    file: str
    offset: int


class ShardFile(NamedTuple):
    """One safetensors file to be written: its header is complete, its data still to come."""

    name: str
    head: bytes
    size: int
    keys: tuple[str, ...]


class Files(NamedTuple):
    """The weight files of one model folder.

    Args:
        shards: The files.
        slots: Where each tensor goes.
        index: Text of the index file, or None for a single file.
        index_name: Name of the index file.
    """

    shards: tuple[ShardFile, ...]
    slots: dict[str, Slot]
    index: str | None
    index_name: str


def lay_out(
    infos: Sequence[TensorInfo], *, stem: str = "model", shard_bytes: int = SHARD_BYTES
) -> Files:
    """Place tensors in one file, or in several of at most `shard_bytes` where that is possible.

    Args:
        infos: The tensors, in the order in which shards take them.
        stem: Beginning of the file names.
        shard_bytes: Most bytes of data in one file; a larger tensor gets a file of its own.
    """
    groups = _group(infos, shard_bytes)
    count = len(groups)
    shards: list[ShardFile] = []
    slots: dict[str, Slot] = {}
    for number, group in enumerate(groups, 1):
        name = f"{stem}-{number:05d}-of-{count:05d}" if count > 1 else stem
        shard, offsets = _shard(f"{name}.safetensors", group)
        shards.append(shard)
        slots |= {key: Slot(shard.name, offset) for key, offset in offsets.items()}
    index = _index(infos, slots) if count > 1 else None
    return Files(tuple(shards), slots, index, f"{stem}.safetensors.index.json")


def _group(infos: Sequence[TensorInfo], shard_bytes: int) -> list[list[TensorInfo]]:
    groups: list[list[TensorInfo]] = [[]]
    filled = 0
    for info in infos:
        if groups[-1] and filled + info.nbytes > shard_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(info)
        filled += info.nbytes
    return groups


def _shard(name: str, group: Sequence[TensorInfo]) -> tuple[ShardFile, dict[str, int]]:
    # Wide dtypes first, so that every tensor begins at a multiple of its item size.
    ordered = sorted(group, key=lambda info: (-BITS[info.dtype], info.key))
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    begins: dict[str, int] = {}
    for info in ordered:
        begins[info.key] = position
        table[info.key] = {
            "dtype": info.dtype,
            "shape": list(info.shape),
            "data_offsets": [position, position + info.nbytes],
        }
        position += info.nbytes
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    shard = ShardFile(name, head, len(head) + position, tuple(info.key for info in ordered))
    return shard, {key: len(head) + begin for key, begin in begins.items()}


def _index(infos: Sequence[TensorInfo], slots: dict[str, Slot]) -> str:
    table = {
        "metadata": {
            "total_parameters": sum(info.numel for info in infos),
            "total_size": sum(info.nbytes for info in infos),
        },
        "weight_map": {key: slots[key].file for key in sorted(slots)},
    }
    return json.dumps(table, indent=2, ensure_ascii=False) + "\n"

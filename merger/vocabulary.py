"""Which token has which id: the vocabulary of a model folder, read without any library."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from merger.checkpoint import Checkpoint
from merger.errors import SourceError
from merger.header import TensorInfo
from merger.layout import read_json
from merger.tied import EMBEDDINGS, HEADS

TABLE = "tokenizer.json"
# Tokenizers that are no tokenizer.json; the first two say in plain text which id is which.
OTHERS = (
    "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "spm.model", "sentencepiece.model", "spm_char.model", "tekken.json", "tiktoken.model",
)  # fmt: skip
ADDED = "added_tokens.json"
# Offsets that are added to what a head gives, one per token.
BIASES = (
    "final_logits_bias",
    "lm_head.bias",
    "cls.predictions.bias",
    "cls.predictions.decoder.bias",
    "lm_head.decoder.bias",
    "vocab_projector.bias",
)
NO_IDS: Mapping[str, int] = MappingProxyType({})
NO_ENTRIES: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class Vocabulary(NamedTuple):
    """The tokens of a model and their ids.

    Args:
        ids: The id of each token, in the order of ids; empty where the files do not say.
        added: What tokenizer.json says of the tokens that were added to the model's own.
        mark: Stands for the files where they do not say which id is which.
    """

    ids: Mapping[str, int] = NO_IDS
    added: Mapping[str, Mapping[str, Any]] = NO_ENTRIES
    mark: str = ""

    @property
    def top(self) -> int:
        """The highest id, -1 where there is none."""
        return max(self.ids.values(), default=-1)

    def is_like(self, other: "Vocabulary") -> bool:
        """Whether every token has the same id in both."""
        return self is other or (self.mark == other.mark and self.ids == other.ids)


def read_vocabulary(folder: Path | None) -> Vocabulary | None:
    """Return the vocabulary of a model folder; None where there is no tokenizer.

    Raises:
        SourceError: its tokenizer.json is damaged.
    """
    if folder is None:
        return None
    names = (TABLE,) if (folder / TABLE).is_file() else (*OTHERS, ADDED)
    files = [folder / name for name in names if (folder / name).is_file()]
    if not files or files == [folder / ADDED]:
        return None
    stamps = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _read(tuple(files), stamps)


@lru_cache(maxsize=32)
def _read(files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Vocabulary:
    # Experts mostly carry a copy of the base's file, which is read once.
    try:
        mark = _mark(files)
    except OSError as error:
        raise SourceError(f"{files[0]} cannot be read: {error.strerror or error}.") from error
    known = _KEPT.get(mark)
    if known is None:
        while len(_KEPT) >= 8:
            _KEPT.pop(next(iter(_KEPT)))
        known = _KEPT[mark] = _parse(files, mark)
    return known


_KEPT: dict[str, Vocabulary] = {}


def _mark(files: Iterable[Path]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for path in files:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _parse(files: tuple[Path, ...], mark: str) -> Vocabulary:
    by_name = {path.name: path for path in files}
    if TABLE in by_name:
        return _from_table(read_json(by_name[TABLE]))
    if "vocab.json" in by_name:
        ids = _whole(read_json(by_name["vocab.json"]).items())
    elif "vocab.txt" in by_name:
        lines = by_name["vocab.txt"].read_text("utf-8", "replace").splitlines()
        ids = {line: number for number, line in enumerate(lines)}
    else:
        return Vocabulary(mark=mark)
    if ADDED in by_name:
        ids |= _whole(read_json(by_name[ADDED]).items())
    return Vocabulary(_ordered(ids))


def _from_table(table: Mapping[str, Any]) -> Vocabulary:
    model = table.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(words, list):
        pairs: Iterable[tuple[Any, Any]] = (
            (row[0], i) for i, row in enumerate(words) if isinstance(row, list) and row
        )
    else:
        pairs = words.items() if isinstance(words, dict) else ()
    ids, added = _whole(pairs), {}
    entries = table.get("added_tokens")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            own = _whole([(entry.get("content"), entry.get("id"))])
            ids |= own
            added |= dict.fromkeys(own, entry)
    return Vocabulary(_ordered(ids), MappingProxyType(added))


def _whole(pairs: Iterable[tuple[Any, Any]]) -> dict[str, int]:
    return {
        token: number
        for token, number in pairs
        if isinstance(token, str) and type(number) is int and number >= 0
    }


def _ordered(ids: Mapping[str, int]) -> Mapping[str, int]:
    numbers = list(ids.values())
    # Most files list them in order, and vocabularies are long.
    if any(a >= b for a, b in pairwise(numbers)):
        ids = dict(sorted(ids.items(), key=lambda pair: (pair[1], pair[0])))
    return MappingProxyType(dict(ids))


def vocabulary_rows(model: Checkpoint) -> int | None:
    """Return how many rows a model's embedding of tokens has; None where none is known."""
    found = (
        info.shape[0]
        for name in EMBEDDINGS
        for key, info in model.tensors.items()
        if info.is_float and len(info.shape) == 2 and (key == name or key.endswith(f".{name}"))
    )
    return next(found, None)


def vocabulary_keys(model: Checkpoint) -> tuple[str, ...]:
    """Return the names of the tensors that have one row, or one entry, per token."""
    rows = vocabulary_rows(model)
    names = (*EMBEDDINGS, *HEADS, *BIASES)
    return tuple(
        key
        for key, info in model.tensors.items()
        if any(key == name or key.endswith(f".{name}") for name in names)
        and info.is_float
        and info.shape
        and info.shape[vocabulary_axis(key, info)] == rows
    )


def vocabulary_axis(key: str, info: TensorInfo) -> int:
    """Return the axis of a tensor along which tokens stand; BART's offsets are (1, tokens)."""
    return len(info.shape) - 1 if key.endswith(BIASES[0]) else 0

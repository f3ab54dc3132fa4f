"""Texts as tokens: a model folder's tokenizer, and how much of a text a model sees at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from merger.companions import TOKENIZER
from merger.errors import TaskError
from merger.lru import Lru
from merger.naming import quiet_transformers

WINDOW = 128
OPEN = 4  # tokenizers kept open


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A text cut into tokens.

    Args:
        ids: The tokens, (n,) int64.
        words: What stands in the text for each; empty for the later bytes of one letter.
        bytes: Bytes of the text that follow the first token.
        left_out: Tokens before these that do not fit into the window.
    """

    ids: np.ndarray
    words: tuple[str, ...]
    bytes: int
    left_out: int = 0


class Tokens:
    """The tokenizer of a model folder, for texts that people type.

    Args:
        folder: The folder of the base.
    Raises:
        TaskError: no tokenizer lies there that transformers can read.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = open_tokenizer(folder)
        self._lock = Lock()  # fast tokenizers may not be used by two threads at once
        self.window = window_length(folder)
        self.end: int | None = self._tokenizer.eos_token_id

    def cut(self, text: str) -> Pieces:
        """Cut a text into tokens without special ones; of a long text the end that fits.

        Raises:
            TaskError: there is nothing in it.
        """
        with self._lock:
            coded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, places = coded["input_ids"], coded["offset_mapping"]
        if not ids:
            raise TaskError("There is no text to read.", "Type a word.")
        left_out = max(0, len(ids) - self.window)
        kept = places[left_out:]
        before = [(-1, -1), *kept]
        words = tuple(
            text[a:b] if (a, b) != last else "" for (a, b), last in zip(kept, before, strict=False)
        )
        size = len(text[kept[0][1] : kept[-1][1]].encode())
        return Pieces(np.asarray(ids[left_out:], np.int64), words, size, left_out)

    def text(self, ids: Sequence[int]) -> str:
        """Return what tokens say; bytes that are no letter yet show as replacement signs."""
        with self._lock:
            return self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


_OPEN: Lru[Tokens] = Lru(OPEN)


def tokens_of(folder: Path) -> Tokens:
    """Return the tokenizer of a folder, read again when its files have changed."""
    files = sorted(p for p in folder.glob("*token*") if p.is_file())
    key = (folder, tuple((p.name, p.stat().st_mtime_ns) for p in files))
    return _OPEN.get_or_make(key, lambda: Tokens(folder))


def open_tokenizer(folder: Path) -> Any:
    """Return the fast tokenizer of a model folder.

    Raises:
        TaskError: none lies there, or one that cannot tell where tokens lie in a text.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415  (most tasks need no tokenizer)

    quiet_transformers()
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise TaskError(
            f"{folder.name}: must hold a tokenizer that transformers can read.",
            "Copy the tokenizer files of the base into its folder.",
        ) from error
    if not tokenizer.is_fast:
        raise TaskError(
            f"{folder.name}: its tokenizer must tell where each token lies in the text.",
            "Save it as tokenizer.json (a fast tokenizer).",
        )
    return tokenizer


def tokenizer_digest(folder: Path) -> str:
    """Return a digest of a folder's tokenizer files; answers under another one are others."""
    mark = hashlib.blake2b(digest_size=8)
    for path in sorted(p for p in folder.glob("*") if p.name in TOKENIZER and p.is_file()):
        data = path.read_bytes()
        mark.update(f"{path.name} {len(data)} ".encode())
        mark.update(data)
    return mark.hexdigest()


def window_length(folder: Path, wanted: int | None = None) -> int:
    """Return how many tokens a model is given at once.

    Args:
        folder: Folder of the model.
        wanted: How many; None is 128, or fewer where the model knows fewer.
    Raises:
        TaskError: more than the model knows.
    """
    from merger.layout import model_config  # noqa: PLC0415  (keeps the task usable without it)

    config = model_config(folder) or {}
    known: Iterable[Any] = (config.get("max_position_embeddings"), config.get("n_positions"))
    limits = [n for n in known if isinstance(n, int) and n > 1]
    if wanted is None:
        return min([WINDOW, *limits])
    if limits and wanted > min(limits):
        raise TaskError(
            f"window must be at most {min(limits):,} tokens, what {folder.name} knows, "
            f"got {wanted:,}.",
            "Use a shorter window.",
        )
    return wanted

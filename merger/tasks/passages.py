"""Texts for language models: where they are read, and how they are cut into windows.

A text file is cut into windows as a whole: even ones are validation, odd ones test. Of a table,
each row goes to one side by a hash of its content, rows that are nearly the same to the same side;
the rows of a side are joined with an empty line, and cut. A last, shorter window is dropped.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merger.errors import TaskError
from merger.tasks.splitting import divide, group_texts, plain_key
from merger.tasks.tables import is_table, read_columns
from merger.tasks.tokens import open_tokenizer

MAX_WINDOWS = 256
MAX_BYTES = 8_000_000
BETWEEN = "\n\n"
COLUMN = "text"


@dataclass(frozen=True)
class Windows:
    """Windows of tokens (n, length), the bytes that each has to predict, and where these stand.

    `spans` (n, 2) are places in the text, in characters, after the first token of each window.
    """

    tokens: np.ndarray
    bytes: np.ndarray
    spans: np.ndarray

    def of(self, rows: slice) -> Windows:
        """Return some of the windows."""
        return Windows(self.tokens[rows], self.bytes[rows], self.spans[rows])


@dataclass(frozen=True, slots=True)
class Passages:
    """The text of each split; one and the same where its windows are dealt out in turn.

    Args:
        texts: Text by split.
        dealt: Whether the splits share one text.
    """

    texts: Mapping[str, str]
    dealt: bool


def read_passages(path: Path, column: str | None = None) -> Passages:
    """Read a text file, or a column of a table.

    Args:
        path: The file.
        column: Which column; None is `text` in a table, and the whole file else.
    Raises:
        TaskError: it cannot be read.
    """
    if column is None and not is_table(path):
        text = _read(path)
        return Passages({"validation": text, "test": text}, True)
    name = COLUMN if column is None else column
    once = {plain_key(text): text for text in reversed(read_columns(path, [name])[name])}
    keys, texts = list(once), list(once.values())
    place = divide(keys, group_texts(texts))
    # By hash, so that what is kept of a long file is drawn from all of it.
    order = [int(i) for i in np.argsort(place, kind="stable")]
    sides = {
        "validation": [texts[i] for i in order if place[i] < 0.5],
        "test": [texts[i] for i in order if place[i] >= 0.5],
    }
    return Passages({split: _joined(rows) for split, rows in sides.items()}, False)


def _joined(rows: Sequence[str]) -> str:
    data = BETWEEN.join(rows).encode("utf-8", "replace")[: MAX_BYTES // 2]
    return data.decode("utf-8", "ignore")


def cut_passages(
    passages: Passages, name: str, model_folder: Path, length: int
) -> dict[str, Windows]:
    """Cut the texts of both splits into windows.

    Args:
        passages: The texts.
        name: How to call the file in messages.
        model_folder: Whose tokenizer cuts.
        length: Tokens per window.
    Raises:
        TaskError: a split has less than one window.
    """
    if passages.dealt:
        windows, tokens = _cut(passages.texts["validation"], model_folder, length)
        _check(len(windows.bytes), 2, tokens, name, length)
        # Even windows are validation, odd ones test.
        return {"validation": windows.of(slice(0, None, 2)), "test": windows.of(slice(1, None, 2))}
    found = {}
    for split, text in passages.texts.items():
        found[split], tokens = _cut(text, model_folder, length, MAX_WINDOWS // 2)
        _check(len(found[split].bytes), 1, tokens, f"{name}, {split}", length)
    return found


def _check(count: int, least: int, tokens: int, name: str, length: int) -> None:
    if count < least:
        many = "s" if least > 1 else ""
        raise TaskError(
            f"{name}: must fill {least} window{many} of {length} tokens, got {tokens} tokens.",
            "Use a longer text.",
        )


def _cut(
    text: str, model_folder: Path, length: int, most: int = MAX_WINDOWS
) -> tuple[Windows, int]:
    tokenizer: Any = open_tokenizer(model_folder)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    return cut_windows(ids, encoded["offset_mapping"], text, length, most), len(ids)


def cut_windows(
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    text: str,
    length: int,
    most: int = MAX_WINDOWS,
) -> Windows:
    """Cut tokens into windows, at most so many, spread evenly over the text.

    Args:
        ids: The tokens of the text.
        offsets: Where each token starts and ends in the text, in characters.
        text: The text.
        length: Tokens per window.
        most: Windows at most.
    """
    count = len(ids) // length
    tokens = np.asarray(ids[: count * length], np.int64).reshape(count, length)
    ends = np.asarray([end for _, end in offsets[: count * length]], np.int64)
    ends = ends.reshape(count, length)
    if count > most:
        kept = np.arange(most) * count // most
        tokens, ends = tokens[kept], ends[kept]
    # Bytes before each character, so that a window's bytes are one subtraction.
    before = np.zeros(len(text) + 1, np.int64)
    before[1:] = np.cumsum([len(letter.encode("utf-8")) for letter in text])
    return Windows(tokens, before[ends[:, -1]] - before[ends[:, 0]], ends[:, [0, -1]])


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TaskError(
            f"{path.name}: must be a text file that can be read ({error.strerror}).",
            "Give the path of an existing file after `text:`.",
        ) from error
    try:
        # A cut at the limit may go through a character; only that one may be dropped.
        decoder = codecs.getincrementaldecoder("utf-8")()
        return decoder.decode(data[:MAX_BYTES], final=len(data) <= MAX_BYTES)
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path.name}: must be UTF-8, byte {error.start} is not.", "Convert the file."
        ) from error

"""Bits per byte on a text file: how well a causal language model predicts it.

The file is cut into windows of equal length in tokens that don't overlap; a last, shorter one is
dropped. Even windows are validation, odd ones test. The first token of a window is context only:
it is not predicted, and its bytes are not counted. No special token is added.
"""

from __future__ import annotations

import codecs
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.base import Metric, Outcomes, Pause, check_split
from merger.tasks.tokens import open_tokenizer, window_length

MAX_WINDOWS = 256
MAX_BYTES = 8_000_000
# Logits of a chunk take at most 128 MiB, however large the vocabulary.
MAX_LOGITS = 2**25
MAX_CHUNK = 64
# Parameters times tokens of a chunk: about a second of work, so that who waits gets in between.
MAX_WORK = 1e11


@dataclass(frozen=True)
class Windows:
    """Windows of tokens (n, length), the bytes that each has to predict, and where these stand.

    `spans` (n, 2) are places in the text, in characters, after the first token of each window.
    """

    tokens: np.ndarray
    bytes: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True)
class TextTask:
    """Bits per byte on one text file.

    Args:
        path: The file, UTF-8.
        model_folder: Folder of the base, for its tokenizer and the length of its context.
    """

    path: Path
    model_folder: Path

    metric: Metric = "bits_per_byte"
    higher_is_better: bool = False
    expert: str | None = None

    @property
    def name(self) -> str:
        """The task's name: `text:` and the file's name without its ending."""
        return f"text:{self.path.stem}"

    @property
    def title(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of windows by split."""
        return {split: len(self.windows(split).bytes) for split in ("validation", "test")}

    @property
    def content(self) -> str:
        """Digest of the text, so that a remembered answer never outlives a changed file."""
        return hashlib.blake2b(self._text.encode(), digest_size=16).hexdigest()

    @cached_property
    def _text(self) -> str:
        return _read(self.path)

    @cached_property
    def _all(self) -> Windows:
        text = self._text
        tokenizer = open_tokenizer(self.model_folder)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        length = window_length(self.model_folder)
        windows = cut_windows(encoded["input_ids"], encoded["offset_mapping"], text, length)
        if len(windows.bytes) < 2:
            raise TaskError(
                f"{self.path.name}: must fill 2 windows of {length} tokens, "
                f"got {len(encoded['input_ids'])} tokens.",
                "Use a longer text.",
            )
        return windows

    def windows(self, split: str) -> Windows:
        """Return the windows of a split: even ones are validation, odd ones test."""
        check_split(split)
        first = 0 if split == "validation" else 1
        found = self._all
        return Windows(found.tokens[first::2], found.bytes[first::2], found.spans[first::2])

    def passage(self, split: str, index: int) -> str:
        """Return the words that one window of a split has to predict."""
        start, stop = self.windows(split).spans[index]
        return self._text[start:stop]

    def best(self, split: str) -> float | None:
        """Return None: no expert is known to belong to this text."""
        return None

    def strata(self, split: str) -> np.ndarray:
        """Return which of eight parts of the file each window lies in."""
        n = len(self.windows(split).bytes)
        return np.arange(n) * 8 // n

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Count the bits that the model needs for the windows of a split, or those of `index`."""
        windows = self.windows(split)
        chosen = np.arange(len(windows.bytes)) if index is None else index
        bits = window_bits(runner, windows.tokens[chosen], pause)
        return Outcomes(bits, windows.bytes[chosen].astype(np.float64), chosen)


def window_bits(runner: Runner, tokens: np.ndarray, pause: Pause | None = None) -> np.ndarray:
    """Return the bits each window (n, length) costs after its first token, in float64."""
    vocabulary = check_tokens(runner, tokens)
    length = max(1, tokens.shape[1])
    work = int(MAX_WORK // max(1, runner.parameters * length))
    chunk = max(1, min(MAX_CHUNK, MAX_LOGITS // (vocabulary * length), work))
    parts = [np.empty(0)]
    with torch.inference_mode():
        for start in range(0, len(tokens), chunk):
            if pause is not None:
                pause(start)
            ids = torch.from_numpy(tokens[start : start + chunk])
            logits = runner.module(input_ids=ids).logits[:, :-1].float()  # (n, length - 1, words)
            nats = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
            )
            parts.append(nats.view(len(ids), -1).double().sum(1).numpy() / math.log(2))
    return np.concatenate(parts)


def check_tokens(runner: Runner, tokens: np.ndarray) -> int:
    """Return how many words a causal language model knows.

    Raises:
        TaskError: it is another kind of model, or tokens that it does not know.
    """
    _check_causal(runner)
    vocabulary = _vocabulary(runner)
    if tokens.size and int(tokens.max()) >= vocabulary:
        raise TaskError(
            f"{runner.label}: the tokenizer gives token {int(tokens.max())}, "
            f"the model knows {vocabulary}.",
            "Is the tokenizer in the base's folder the right one?",
        )
    return vocabulary


def _vocabulary(runner: Runner) -> int:
    weight = getattr(runner.module.get_output_embeddings(), "weight", None)
    return int(runner.module.config.vocab_size if weight is None else weight.shape[0])


def cut_windows(
    ids: Sequence[int], offsets: Sequence[tuple[int, int]], text: str, length: int
) -> Windows:
    """Cut tokens into windows, at most 256, spread evenly over the text.

    Args:
        ids: The tokens of the text.
        offsets: Where each token starts and ends in the text, in characters.
        text: The text.
        length: Tokens per window.
    """
    count = len(ids) // length
    tokens = np.asarray(ids[: count * length], np.int64).reshape(count, length)
    ends = np.asarray([end for _, end in offsets[: count * length]], np.int64)
    ends = ends.reshape(count, length)
    if count > MAX_WINDOWS:
        kept = np.arange(MAX_WINDOWS) * count // MAX_WINDOWS
        tokens, ends = tokens[kept], ends[kept]
    # Bytes before each character, so that a window's bytes are one subtraction.
    before = np.zeros(len(text) + 1, np.int64)
    before[1:] = np.cumsum([len(letter.encode("utf-8")) for letter in text])
    return Windows(tokens, before[ends[:, -1]] - before[ends[:, 0]], ends[:, [0, -1]])


def find_text_tasks(folder: Path, model_folder: Path) -> tuple[TextTask, ...]:
    """Return a task for each `*.txt` file that lies in a models folder, sorted by name."""
    files = sorted(p for p in folder.glob("*.txt") if p.is_file())
    return tuple(TextTask(path, model_folder) for path in files)


def is_causal(config: Mapping[str, Any] | None) -> bool:
    """Say whether a config.json describes a causal language model."""
    names = (config or {}).get("architectures") or []
    return any(isinstance(n, str) and n.endswith(("ForCausalLM", "LMHeadModel")) for n in names)


def _check_causal(runner: Runner) -> None:
    if not is_causal(runner.module.config.to_dict() | {"architectures": [runner.label]}):
        raise TaskError(
            f"{runner.label}: bits per byte need a causal language model.",
            "Choose a model whose config.json names a …ForCausalLM architecture.",
        )


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

"""Bits per byte, or perplexity, on a text: how well a causal language model predicts it.

The text is cut into windows of equal length in tokens that don't overlap (`passages.py`). The
first token of a window is context only: it is not predicted, and its bytes are not counted. No
special token is added.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.base import Metric, Outcomes, Pause, check_split
from merger.tasks.batches import MAX_WORK
from merger.tasks.passages import Passages, Windows, cut_passages, read_passages
from merger.tasks.tokens import tokenizer_digest, window_length

# Logits of a chunk take at most 128 MiB, however large the vocabulary.
MAX_LOGITS = 2**25
MAX_CHUNK = 64


@dataclass(frozen=True)
class TextTask:
    """Bits per byte on one text.

    Args:
        path: A text in UTF-8, or a table with a column of texts.
        model_folder: Folder of the base, for its tokenizer and the length of its context.
        column: Which column of a table holds the texts.
        window: Tokens per window; None is 128, or fewer where the model knows fewer.
        given: Another title than the file's name without its ending.
    """

    path: Path
    model_folder: Path
    column: str | None = None
    window: int | None = None
    given: str = ""

    metric: Metric = "bits_per_byte"
    higher_is_better: bool = False
    expert: str | None = None

    @property
    def name(self) -> str:
        """The task's name: `text:` and the title."""
        return f"text:{self.title}"

    @property
    def title(self) -> str:
        """The given title, or the file's name without its ending."""
        return self.given or self.path.stem

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of windows by split."""
        return {split: len(self.windows(split).bytes) for split in ("validation", "test")}

    @property
    def about(self) -> str:
        """What is counted, in which windows, by whose tokens."""
        return f"bits to predict a text, per byte of UTF-8; {self._windows_in_words}."

    @property
    def _windows_in_words(self) -> str:
        return (
            f"windows of {self.length} tokens of the tokenizer of {self.model_folder.name}, which "
            "do not overlap, the first token as context only"
        )

    @property
    def content(self) -> str:
        """Digest of text, windows and tokenizer: no remembered answer outlives a change."""
        return self._content

    @cached_property
    def _content(self) -> str:
        mark = hashlib.blake2b(digest_size=16)
        for split, text in sorted(self._read.texts.items()):
            mark.update(f"{split} {len(text)} ".encode())
            mark.update(text.encode())
        mark.update(f"{self.length} {tokenizer_digest(self.model_folder)}".encode())
        return mark.hexdigest()

    @property
    def length(self) -> int:
        """Tokens per window."""
        return window_length(self.model_folder, self.window)

    @cached_property
    def _read(self) -> Passages:
        return read_passages(self.path, self.column)

    @cached_property
    def _windows(self) -> Mapping[str, Windows]:
        return cut_passages(self._read, self.path.name, self.model_folder, self.length)

    def windows(self, split: str) -> Windows:
        """Return the windows of a split."""
        check_split(split)
        return self._windows[split]

    def passage(self, split: str, index: int) -> str:
        """Return the words that one window of a split has to predict."""
        start, stop = self.windows(split).spans[index]
        return self._read.texts[split][start:stop]

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


@dataclass(frozen=True)
class PerplexityTask(TextTask):
    """Perplexity on one text: e to the mean loss per predicted token, in nats."""

    metric: Metric = "perplexity"

    @property
    def name(self) -> str:
        """The task's name: `perplexity:` and the title."""
        return f"perplexity:{self.title}"

    @property
    def about(self) -> str:
        """What is counted, in which windows, by whose tokens."""
        return (
            f"e to the mean loss per predicted token; {self._windows_in_words}. Only models with "
            "the same tokenizer can be compared."
        )

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Count the nats that the model needs for the windows of a split, or those of `index`."""
        found = super().predict(runner, split, index=index, pause=pause)
        tokens = np.full(len(found), self.length - 1.0)
        return Outcomes(found.top * math.log(2), tokens, found.clusters, is_log=True)


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


def is_causal(config: Mapping[str, Any] | None) -> bool:
    """Say whether a config.json describes a causal language model."""
    names = (config or {}).get("architectures") or []
    return any(isinstance(n, str) and n.endswith(("ForCausalLM", "LMHeadModel")) for n in names)


def _check_causal(runner: Runner) -> None:
    if not is_causal(runner.module.config.to_dict() | {"architectures": [runner.label]}):
        raise TaskError(
            f"{runner.label}: such scores need a causal language model.",
            "Choose a model whose config.json names a …ForCausalLM architecture.",
        )

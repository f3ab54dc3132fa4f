"""Texts with labels: how often a model's classification head chooses the right class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from merger.errors import TaskError
from merger.layout import model_config
from merger.runner import Runner
from merger.tasks.base import Pause
from merger.tasks.batches import batches, padded, tokens_at_once
from merger.tasks.choosing import ChoosingTask
from merger.tasks.labels import classes_of, match_labels
from merger.tasks.rows import LabelledRows, Rows
from merger.tasks.tokens import open_tokenizer, tokenizer_digest

LONGEST = 512
HEADS = ("ForSequenceClassification",)


@dataclass(frozen=True)
class LabelledTask(ChoosingTask):
    """Accuracy on the rows of a table; how a class is chosen is left to subclasses.

    Args:
        title: How the task is called on screen.
        rows: The texts and their labels.
        model_folder: Folder of the base, for its tokenizer and config.
    """

    title: str
    rows: LabelledRows
    model_folder: Path

    @property
    def name(self) -> str:
        """The task's name: `classify:` and the title."""
        return f"classify:{self.title}"

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of rows by split; raises TaskError where the labels do not fit the model."""
        _ = self.classes, self.right
        return self.rows.sizes

    def examples(self, split: str) -> Rows:
        """Return the rows of a split."""
        return self.rows.split(split)

    @property
    def content(self) -> str:
        """Digest of the file, of what is read in it, and of the tokenizer."""
        return self._content

    @cached_property
    def _content(self) -> str:
        words = [type(self).__name__, self.rows.content, tokenizer_digest(self.model_folder)]
        words.append(self.how)
        return hashlib.blake2b(" ".join(words).encode(), digest_size=16).hexdigest()

    @property
    def how(self) -> str:
        """What else decides the answers."""
        return ""


@dataclass(frozen=True)
class HeadTask(LabelledTask):
    """Accuracy of a sequence classification head.

    Texts get the tokenizer's special tokens and are cut at what the model knows, 512 tokens at
    most. The labels of the file are matched with `id2label` of config.json.
    """

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the head's classes."""
        return classes_of(model_config(self.model_folder), self.model_folder.name)

    @cached_property
    def right(self) -> Mapping[str, int]:
        """Which class each label of the file means."""
        return match_labels(
            self.rows.labels, self.classes, self.rows.path.name, self.model_folder.name
        )

    @property
    def how(self) -> str:
        """The classes' names decide which answer is right, the length what is read."""
        return repr((self.classes, self._longest))

    @property
    def about(self) -> str:
        """What is counted, and on which rows."""
        return (
            f"share of rows whose label the classification head chooses; {self.rows.about}; "
            f"texts are cut at {self._longest} tokens of the tokenizer of "
            f"{self.model_folder.name}."
        )

    def choose(
        self, runner: Runner, split: str, index: np.ndarray, pause: Pause | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the class with the largest logit for some rows, and the softmax of the logits."""
        if not runner.label.endswith(HEADS):
            raise TaskError(
                f"{runner.label}: classes need a sequence classification head.",
                "Choose a model whose config.json names a …ForSequenceClassification.",
            )
        ids = [self._encoded[split][i] for i in index]
        pad = runner.config.pad_token_id
        # Decoders find the last word by the padding: without one, rows go one by one.
        most = 1 if pad is None else tokens_at_once(runner)
        chances, done = np.zeros((len(ids), len(self.classes))), 0
        with torch.inference_mode():
            for rows in batches([len(row) for row in ids], most):
                if pause is not None:
                    pause(done)
                tokens, mask = padded([ids[i] for i in rows], pad or 0)
                logits = runner.module(input_ids=tokens, attention_mask=mask).logits
                chances[rows] = logits.double().softmax(1).numpy()  # (n, classes)
                done += len(rows)
        return chances.argmax(1), chances

    @property
    def _longest(self) -> int:
        config: Mapping[str, Any] = model_config(self.model_folder) or {}
        known = [config.get("max_position_embeddings"), config.get("n_positions")]
        limits = [n for n in known if isinstance(n, int) and n > 1]
        # RoBERTa and its like number their positions from the padding's number on.
        pad = config.get("pad_token_id")
        if config.get("model_type") in OFFSET and isinstance(pad, int):
            limits = [n - pad - 1 for n in limits]
        return min([LONGEST, *limits])

    @cached_property
    def _encoded(self) -> dict[str, list[list[int]]]:
        tokenizer = open_tokenizer(self.model_folder)
        found = {}
        for split in ("validation", "test"):
            texts = list(self.rows.split(split).texts)
            coded = tokenizer(texts, truncation=True, max_length=self._longest)
            found[split] = [list(row) or [0] for row in coded["input_ids"]]
        return found


OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl", "esm")

"""Texts with labels for a causal language model: which label it finds likeliest.

The model reads a prompt with the text in it and is asked how likely each label would follow, after
a space. The likeliest one is its answer, by the log-probability of the label's tokens divided by
the label's length in bytes: without that, short labels would win. No special token is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from merger.errors import TaskError
from merger.layout import model_config
from merger.runner import Runner
from merger.tasks.base import Pause
from merger.tasks.classify import LONGEST, LabelledTask
from merger.tasks.continuations import Continued, continuation_logs, cut_continuation
from merger.tasks.tokens import open_tokenizer

MOST_LABELS = 50
SLAB = 512  # prompts that are held as tokens at once
SLOT = "{text}"


@dataclass(frozen=True)
class LabelWordsTask(LabelledTask):
    """Accuracy of a causal language model that is asked for the label.

    Args:
        prompt: What the model reads, with {text} where the text stands; None is the text, a line
            break, and the name of the label column with a colon.
    """

    prompt: str | None = None

    @cached_property
    def template(self) -> str:
        """The prompt; raises TaskError where it has no place for the text."""
        template = f"{SLOT}\n{self.rows.label}:" if self.prompt is None else self.prompt
        if template.count(SLOT) != 1:
            raise TaskError(
                f"{self.name}: the prompt must have {SLOT} in it once, got {template[:80]!r}.",
                "Write, say, prompt=Review: {text} Verdict:",
            )
        return template

    @property
    def how(self) -> str:
        """The prompt, and how much of it is read."""
        return repr((self.template, self._longest))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every label of the file."""
        labels = self.rows.labels
        if not 2 <= len(labels) <= MOST_LABELS:
            raise TaskError(
                f"{self.rows.path.name}: column {self.rows.label!r} must have 2 to {MOST_LABELS} "
                f"different labels, got {len(labels):,}.",
                "Is it the column of the labels?",
            )
        return labels

    @cached_property
    def right(self) -> Mapping[str, int]:
        """Each label is its own class."""
        return {label: i for i, label in enumerate(self.classes)}

    @property
    def about(self) -> str:
        """What is counted, and on which rows."""
        return (
            f"share of rows whose label is the likeliest after {self.template!r} and a space, by "
            f"log-probability per byte of the label; {self.rows.about}; prompts keep their last "
            f"tokens where they exceed {self._longest} of the tokenizer of "
            f"{self.model_folder.name}."
        )

    def choose(
        self, runner: Runner, split: str, index: np.ndarray, pause: Pause | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the likeliest label per byte for some rows, and how likely each is among them."""
        texts, count = self.rows.split(split).texts, len(self.classes)
        sizes = [len(label.encode()) for label in self.classes]
        slab = max(1, SLAB // count)
        logs = np.zeros((len(index), count))
        for start in range(0, len(index), slab):
            part = index[start : start + slab]
            asked = [each for i in part for each in self._asked(texts[i])]

            def heard(done: int, start: int = start) -> None:
                if pause is not None:
                    pause(start + done // count)

            found, _ = continuation_logs(runner, asked, heard)
            logs[start : start + slab] = found.reshape(len(part), count)
        shares = np.exp(logs - logs.max(1, keepdims=True))
        return (logs / sizes).argmax(1), shares / shares.sum(1, keepdims=True)

    @property
    def _longest(self) -> int:
        known = (model_config(self.model_folder) or {}).get("max_position_embeddings")
        return min(LONGEST, known) if isinstance(known, int) and known > 1 else LONGEST

    def _asked(self, text: str) -> list[Continued]:
        prompt = self.template.replace(SLOT, text)
        return [
            cut_continuation(self._tokenizer, prompt, f" {label}", self._longest)
            for label in self.classes
        ]

    @cached_property
    def _tokenizer(self):  # noqa: ANN202  (transformers gives it no one type)
        return open_tokenizer(self.model_folder)

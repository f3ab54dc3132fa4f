"""How surprising several models find one text, token by token, and what they expect next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from merger.diagnostics.answers import SINGLE, Role
from merger.info import Info


@dataclass(frozen=True, eq=False)
class SurpriseInfo(Info):
    """Bits that each token of a text costs each model.

    Args:
        names: How each model is called.
        roles: What each one is: "merged", "pin", "base" or "expert".
        own: Which model is the expert that the text belongs to; -1 where none is.
        words: The tokens; the first is context only.
        bits: Surprise of the second token and of those that follow, (models, tokens - 1).
        bytes: Bytes of the text after the first token.
        following: What each model expects next, likeliest first: pairs of token and probability.
        whys: Why a model cannot answer; empty where it does.
        left_out: Tokens before these that do not fit into the models' window.
        task: Title of the text it is from; empty for what a visitor typed.
        split: Split it is from; empty for what a visitor typed.
    """

    names: tuple[str, ...]
    roles: tuple[Role, ...]
    own: int
    words: tuple[str, ...]
    bits: np.ndarray
    bytes: int
    following: tuple[tuple[tuple[str, float], ...], ...]
    whys: tuple[str, ...]
    left_out: int = 0
    task: str = ""
    split: str = ""

    @cached_property
    def answered(self) -> np.ndarray:
        """Whether each model has an answer, (models,)."""
        return np.array([not why for why in self.whys], bool)

    @cached_property
    def bits_per_byte(self) -> np.ndarray:
        """Bits per byte of the text after its first token, (models,); NaN for a single token."""
        found = self.bits.sum(1) / self.bytes if self.bytes else np.full(len(self.names), np.nan)
        return np.where(self.answered, found, np.nan)

    @property
    def least(self) -> int:
        """Which of base and experts is surprised least; -1 where nothing is known."""
        single = np.array([role in SINGLE for role in self.roles])
        values = np.where(single, self.bits_per_byte, np.nan)
        return int(np.nanargmin(values)) if np.isfinite(values).any() else -1

    @property
    def merged(self) -> int:
        """Which model is the merge; -1 where it is not among them."""
        return self.roles.index("merged") if "merged" in self.roles else -1

    @property
    def widest(self) -> int:
        """The token on which base and experts differ most, counted from the first; -1 for none."""
        rows = [i for i, role in enumerate(self.roles) if role in SINGLE and self.answered[i]]
        if len(rows) < 2 or not self.bits.shape[1]:
            return -1
        return 1 + int(np.argmax(np.ptp(self.bits[rows], axis=0)))

"""What several models answer to one image, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from merger.info import Info

Role = Literal["merged", "pin", "base", "expert"]
SINGLE = ("base", "expert")  # the models that a merge is made of


@dataclass(frozen=True, eq=False)
class AnswersInfo(Info):
    """How likely each model holds each class of one image.

    Args:
        task: Title of the task that the classes belong to.
        names: How each model is called.
        roles: What each one is: "merged", "pin", "base" or "expert".
        own: Which model is the task's own expert; -1 where none of them is.
        classes: What can be answered.
        chances: Probabilities, (models, classes); a row of NaN for one that cannot answer.
        whys: Why a model cannot answer; empty where it does.
        truth: Which class is right; -1 where nobody knows.
        split: Split that the image is from; empty for one of the visitor's own.
    """

    task: str
    names: tuple[str, ...]
    roles: tuple[Role, ...]
    own: int
    classes: tuple[str, ...]
    chances: np.ndarray
    whys: tuple[str, ...]
    truth: int = -1
    split: str = ""

    @cached_property
    def answered(self) -> np.ndarray:
        """Whether each model has an answer, (models,)."""
        return np.array([not why for why in self.whys], bool)

    @cached_property
    def best(self) -> np.ndarray:
        """The class that each model holds likeliest, the first of equal ones; -1 without one."""
        return np.where(self.answered, np.nan_to_num(self.chances).argmax(1), -1)

    @cached_property
    def votes(self) -> np.ndarray:
        """How many of base and experts answer each class, (classes,)."""
        single = np.array([role in SINGLE for role in self.roles])
        return np.bincount(self.best[single & self.answered], minlength=len(self.classes))

    @property
    def winner(self) -> int:
        """The class most of base and experts answer; -1 where several share the first place."""
        first = np.flatnonzero(self.votes == self.votes.max(initial=0))
        return int(first[0]) if len(first) == 1 and self.votes.any() else -1

    @property
    def merged(self) -> int:
        """Which model is the merge; -1 where it is not among them."""
        return self.roles.index("merged") if "merged" in self.roles else -1

    def top(self, model: int, count: int) -> list[int]:
        """Return the classes that a model holds likeliest, in order; empty without an answer."""
        if not self.answered[model]:
            return []
        return [int(c) for c in np.argsort(-self.chances[model], kind="stable")[:count]]

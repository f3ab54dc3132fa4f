"""Scores along training steps: each expert's own, the merge's, and where each is best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from merger.info import Info

TEXTS = ("method", "setting", "metric", "split", "scale", "why_not_tuned")
LISTS = ("experts", "tasks")
WHOLE = ("steps", "kept", "own_n")


@dataclass(frozen=True, eq=False)
class TrainingInfo(Info):
    """Scores by step; a score is (value, low, high), NaN where it is not measured.

    S steps, n experts. Gains are paired over the same examples and positive where the first of
    two is better, whichever way the metric runs.

    Args:
        method: The method's title.
        setting: Its global factor in words, such as "scale 0.3"; empty without one.
        experts: Their names.
        tasks: Titles of the tasks that merged scores are the mean of.
        metric: "accuracy"; or "bits_per_byte" or "perplexity", where lower is better.
        split: Which split was scored.
        n: Examples (accuracy) or bytes (bits per byte) behind each merged score.
        steps: The steps, (S,).
        kept: The checkpoint of each expert at each step, (n, S); −1 where it has no steps.
        base: The base's mean score, (3,).
        own: Each expert's own score, (n, S, 3).
        own_n: Examples or bytes behind each, (n,).
        own_mean: Mean of the own scores, (S, 3).
        fixed: The merge's mean score with the recipe's own settings, (S, 3).
        tuned: The same with the factor chosen on the other half of the examples, (S, 3).
        normalised: Mean share of the experts' best scores, fixed and tuned, (2, S).
        scale: What is tuned: "scale", "weights", or empty where nothing is.
        chosen: The factor chosen for either half of the examples, (S, 2).
        tried: The factors tried, as shares of the recipe's own.
        why_not_tuned: Why nothing is tuned; empty where something is.
        own_gain: Mean own score at its best step minus that at the merge's best step, (3,).
        fixed_gain: Merged score at its best step minus that at the experts' best step, (3,).
        tuned_gain: The same for the tuned merge, (3,).
        fixed_fall: Merged score at its best step minus that at the last step, (3,).
        tuned_fall: The same for the tuned merge, (3,).
        owned: Whether every task belongs to one expert; else each expert answers all of them.
        complete: Whether everything is measured.
    """

    method: str
    setting: str
    experts: tuple[str, ...]
    tasks: tuple[str, ...]
    metric: str
    split: str
    n: int
    steps: np.ndarray
    kept: np.ndarray
    base: np.ndarray
    own: np.ndarray
    own_n: np.ndarray
    own_mean: np.ndarray
    fixed: np.ndarray
    tuned: np.ndarray
    normalised: np.ndarray
    scale: str
    chosen: np.ndarray
    tried: np.ndarray
    why_not_tuned: str
    own_gain: np.ndarray
    fixed_gain: np.ndarray
    tuned_gain: np.ndarray
    fixed_fall: np.ndarray
    tuned_fall: np.ndarray
    owned: bool
    complete: bool

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainingInfo:
        """Return what `to_json` wrote; None becomes NaN again."""
        found: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            value = data[name]
            if name in TEXTS:
                found[name] = str(value)
            elif name in LISTS:
                found[name] = tuple(map(str, value))
            elif name == "n":
                found[name] = int(value)
            elif name in ("owned", "complete"):
                found[name] = bool(value)
            else:
                kind = np.int64 if name in WHOLE else np.float64
                found[name] = np.array(value, kind)
        return cls(**found)

    @property
    def higher_is_better(self) -> bool:
        """Tell which way is up."""
        return self.metric == "accuracy"

    def best(self, curve: np.ndarray) -> int | None:
        """Return the index of the best step of a curve, (S, 3) or (S,); the earliest of equals."""
        values = curve[:, 0] if curve.ndim == 2 else curve
        if not np.isfinite(values).any():
            return None
        return int(np.nanargmax(values) if self.higher_is_better else np.nanargmin(values))

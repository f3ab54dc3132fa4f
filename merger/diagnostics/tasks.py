"""How well the merged model does each task, beside the base and the task's own expert."""

from dataclasses import dataclass, field

import numpy as np

from merger.info import Info


@dataclass(frozen=True, eq=False)
class TaskBars(Info):
    """One row per task; arrays have one number per task, NaN where it is not known.

    Args:
        tasks: The tasks' names.
        metric: "accuracy"; or "bits_per_byte" or "perplexity", where lower is better.
        base: The base's score.
        expert: The score of the task's own expert.
        merged: The merged model's score.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        pinned: The pinned recipe's score; all NaN when nothing is pinned.
        measured: Whether `merged` is a full validation, rather than a preview estimate.
        n: Examples (accuracy) or windows of text (bits per byte) behind `merged`, per task.
        split: Which split was scored.
        experts: Name of each task's own expert, for its colour; empty where there is none.
        change_low: Lower end of the paired interval of merged − pinned.
        change_high: Upper end of the paired interval of merged − pinned.
    """

    tasks: tuple[str, ...]
    metric: str
    base: np.ndarray
    expert: np.ndarray
    merged: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pinned: np.ndarray
    measured: bool
    n: np.ndarray
    split: str
    experts: tuple[str, ...] = ()
    change_low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    change_high: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def higher_is_better(self) -> bool:
        """Tell which way is up."""
        return self.metric == "accuracy"

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the name of each task's own expert, the task's own name where none is given."""
        return self.experts or self.tasks

    @property
    def change(self) -> np.ndarray:
        """Return how far merged lies from the pin, positive for better."""
        change = self.merged - self.pinned
        return change if self.higher_is_better else -change

    @property
    def sees_change(self) -> np.ndarray:
        """Tell for which tasks the change against the pin lies outside its paired interval."""
        if len(self.change_low) != len(self.tasks):
            return np.zeros(len(self.tasks), bool)
        return (self.change_low > 0) | (self.change_high < 0)

    @property
    def loss(self) -> np.ndarray:
        """Return how much worse than its own expert the merged model does each task."""
        loss = self.expert - self.merged
        return loss if self.higher_is_better else -loss

"""Two merges on the same examples: what each task gains or loses from one to the other."""

from dataclasses import dataclass

import numpy as np

from merger.info import Info


@dataclass(frozen=True, eq=False)
class CompareInfo(Info):
    """One row per task; changes are B minus A, in the unit of the metric.

    Args:
        tasks: The tasks' names.
        metric: "accuracy"; or "bits_per_byte" or "perplexity", where lower is better.
        a: Score of the first merge.
        b: Score of the second.
        change: Paired change, (tasks, 3): value and both ends of its 95 % interval.
        only_a: Examples that only A does right (text: better than B); NaN while not counted.
        only_b: Examples that only B does right (text: better than A).
        n: Examples behind each change.
        groups: How many of them are independent: fonts where images share one.
        mean: Change of the mean over tasks, (3,).
        worst: Change from A's worst task to B's worst, (3,); the ends NaN where not known.
        totals: Mean and worst of A and of B, ((mean, worst), (A, B)).
        normalised: Whether these count each task as a share of its expert's best.
        worst_a: Which task A does worst.
        worst_b: Which task B does worst.
        measured: Whether B is a full validation, rather than a preview estimate.
        split: Which split was scored.
        live: Whether B is the merge on screen, rather than a pinned one.
        owners: Name of each task's own expert, for its colour.
    """

    tasks: tuple[str, ...]
    metric: str
    a: np.ndarray
    b: np.ndarray
    change: np.ndarray
    only_a: np.ndarray
    only_b: np.ndarray
    n: np.ndarray
    groups: np.ndarray
    mean: np.ndarray
    worst: np.ndarray
    totals: np.ndarray
    normalised: bool
    worst_a: int
    worst_b: int
    measured: bool
    split: str
    live: bool
    owners: tuple[str, ...] = ()

    @property
    def higher_is_better(self) -> bool:
        """Tell which way is up."""
        return self.metric == "accuracy"

    @property
    def rows(self) -> np.ndarray:
        """Every change that is shown, (tasks + 2, 3): tasks, then the mean, then the worst."""
        return np.concatenate([self.change, self.mean[None], self.worst[None]])

    @property
    def verdicts(self) -> np.ndarray:
        """1 where B is better, −1 where worse, 0 where no difference is seen, for every row."""
        _, low, high = self.rows.T
        sign = np.where(low > 0, 1, np.where(high < 0, -1, 0))
        return sign if self.higher_is_better else -sign

"""What can be wanted of a merge: a score, what the base keeps, how far it moves, its size."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

Unit = Literal["share", "bits_per_byte", "ratio", "bytes"]


class Measured(NamedTuple):
    """A number with how sure it is.

    Args:
        value: The number.
        low: Lower end of its 95 % interval; the number itself where it is exact.
        high: Upper end.
        n: Examples behind it; 0 where it is computed, not measured.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Objective:
    """Something that a merge should have much or little of.

    Args:
        name: How it is called in files, such as "task:mnist", "mean" or "norm".
        title: How it is called on screen.
        unit: What it is measured in.
        higher_is_better: Whether more of it is better.
    """

    name: str
    title: str
    unit: Unit
    higher_is_better: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TaskScale:
    """What scores on one task are compared with.

    Args:
        name: Name of the task.
        title: How it is called on screen.
        metric: "accuracy" or "bits_per_byte".
        best: The best score of an expert by split, as far as known.
        base: The base's own score by split, as far as known.
    """

    name: str
    title: str
    metric: str
    best: Mapping[str, float] = field(default_factory=dict)
    base: Mapping[str, float] = field(default_factory=dict)

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better."""
        return self.metric == "accuracy"

    def share(self, score: Measured, of: float | None) -> Measured | None:
        """Return a score as a share of another one, 1 is as good and less is worse."""
        if of is None or of <= 0:
            return None
        if self.higher_is_better:
            return Measured(score.value / of, score.low / of, score.high / of, score.n)
        if score.value <= 0 or score.low <= 0:
            return None
        return Measured(of / score.value, of / score.high, of / score.low, score.n)


def objectives_for(scales: Sequence[TaskScale]) -> tuple[Objective, ...]:
    """Return what merges that are scored on these tasks can be compared by."""
    units: dict[str, Unit] = {"accuracy": "share", "bits_per_byte": "bits_per_byte"}
    tasks = [
        Objective(f"task:{s.name}", s.title, units[s.metric], s.higher_is_better) for s in scales
    ]
    return (
        Objective("mean", "Mean normalised score", "share", True),
        Objective("worst", "Worst task, normalised", "share", True),
        *tasks,
        Objective("retention", "Base's score kept on tasks of no expert", "share", True),
        Objective("norm", "Size of the update, ‖Δ‖ / ‖base‖", "ratio", False),
        Objective("bytes", "Bytes to store", "bytes", False),
    )

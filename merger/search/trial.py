"""One tried recipe: what it is, what it reached, and what its owner says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from merger.search.front import front, hypervolume
from merger.search.objective import Measured, Objective

Values = Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe that was scored in full.

    Args:
        digest: Identity of the merge.
        recipe: Canonical YAML.
        method: Id of its merge method.
        words: The recipe in words.
        values: What it reached on validation, by name of the objective.
        test: What it reached on test; empty until somebody asks for it.
        created: When it was scored, in seconds since 1970.
        origin: "studio" where sliders were moved by hand, "explore" where settings were drawn.
        note: What its owner wrote.
        pinned: Whether it stays when old rows make room.
        shipped: Whether it came with the program.
        seconds: How long scoring took in the background; None where nobody took the time.
    """

    digest: str
    recipe: str
    method: str
    words: str
    values: Values
    test: Values = field(default_factory=dict)
    created: float = 0.0
    origin: str = "studio"
    note: str = ""
    pinned: bool = False
    shipped: bool = False
    seconds: float | None = None

    def on(self, split: str) -> Values:
        """Return its values on validation or test."""
        return self.test if split == "test" else self.values


@dataclass(frozen=True, slots=True)
class Front:
    """Tried recipes, and which of them no other beats on validation.

    Args:
        objectives: What they are compared by.
        trials: The recipes.
        on_front: One word per trial; test values never decide it.
        reference: The point that counts as no gain; None where there is none.
    """

    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    on_front: tuple[bool, ...]
    reference: tuple[float, ...] | None = None

    @property
    def hypervolume(self) -> float | None:
        """Area between front and reference; None without one, or for more than 2 objectives."""
        if self.reference is None or len(self.objectives) != 2:
            return None
        points = points_of(self.trials, self.objectives)
        return hypervolume(points, _senses(self.objectives), self.reference)

    def to_json(self) -> dict[str, Any]:
        """Return the shape that `search` gives."""
        return {
            "objectives": [o.to_json() for o in self.objectives],
            "reference": None if self.reference is None else list(self.reference),
            "hypervolume": self.hypervolume,
            "trials": len(self.trials),
            "points": [
                self._point(t, best) for t, best in zip(self.trials, self.on_front, strict=True)
            ],
        }

    def _point(self, trial: Trial, best: bool) -> dict[str, Any]:
        names = [o.name for o in self.objectives]
        return {
            "digest": trial.digest,
            "recipe": trial.recipe,
            "values": {name: _plain(trial.values.get(name)) for name in names},
            "test": {name: _plain(trial.test[name]) for name in names if name in trial.test},
            "on_front": best,
        }


def front_of(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    reference: Sequence[float] | None = None,
) -> Front:
    """Return which trials no other beats on validation."""
    best = front(points_of(trials, objectives), _senses(objectives))
    at = None if reference is None else tuple(reference)
    return Front(tuple(objectives), tuple(trials), tuple(best.tolist()), at)


def points_of(
    trials: Sequence[Trial], objectives: Sequence[Objective], split: str = "validation"
) -> np.ndarray:
    """Return the values of trials, (trials, objectives), NaN where one is unknown."""
    nothing = (np.nan,)
    rows = [[t.on(split).get(o.name, nothing)[0] for o in objectives] for t in trials]
    return np.array(rows, np.float64).reshape(len(trials), len(objectives))


def _senses(objectives: Sequence[Objective]) -> tuple[bool, ...]:
    return tuple(o.higher_is_better for o in objectives)


def _plain(measured: Measured | None) -> dict[str, Any] | None:
    return None if measured is None else measured._asdict()

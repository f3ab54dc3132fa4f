"""What is valid in a recipe but surely not meant: said before a merge runs, never in its way.

A method declares its own, `merge_method(…, notices=(Notice(when, what, remedy), …))`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from merger.plan import Plan


@dataclass(frozen=True, slots=True)
class Case:
    """The settings of a method or verb for some tensors of a merge.

    Args:
        knobs: Its settings.
        weights: One coefficient per expert in use.
        layers: How many layers the names of the tensors number.
    """

    knobs: Mapping[str, Any]
    weights: tuple[float, ...]
    layers: int

    @property
    def n(self) -> int:
        """How many experts are in use."""
        return len(self.weights)

    def values(self, name: str) -> tuple[Any, ...]:
        """Return a setting as one value per expert."""
        value = self.knobs[name]
        return value if isinstance(value, tuple) else (value,) * self.n


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know about settings.

    Args:
        when: Whether it holds.
        what: What is the matter, in one sentence.
        remedy: What to do.
        severity: "note" is worth knowing; "error" forbids the merge, which says so itself.
    """

    when: Callable[[Case], bool]
    what: str
    remedy: str = ""
    severity: Literal["note", "error"] = "note"


def notices(planned: Plan) -> tuple[Notice, ...]:
    """Return what is to be known about a plan, in the order of its stages, each said once."""
    found: dict[Notice, None] = {}
    settings = {id(t.settings): t.settings for t in planned.merged}
    for stage in planned.stages:
        for own in settings.values():
            case = Case(stage.knobs(own), own.weights[: planned.n], planned.layers)
            found |= dict.fromkeys(n for n in stage.method.notices if n.when(case))
    return tuple(found)


def _outside(case: Case) -> bool:
    both = zip(case.values("density"), case.values("epsilon"), strict=True)
    return any(0.0 < d < 1.0 and not 0.0 < d - e <= d + e < 1.0 for d, e in both)


KEEPS_ALL = Notice(
    lambda case: min(case.values("density")) >= 1.0,
    "At density 1 every change is kept, so nothing is trimmed or dropped.",
    "Lower density.",
)
KEEPS_NONE = Notice(
    lambda case: max(case.values("density")) <= 0.0,
    "At density 0 no change is kept, so the base comes back.",
    "Raise density.",
)
CLIPPED = Notice(
    _outside,
    "Density lies within epsilon of 0 or 1, so that some chances to keep an entry would leave "
    "that range.",
    "Lower epsilon, or move density.",
    "error",
)
SAME_FACTOR = Notice(
    lambda case: case.n > 0 and len(set(case.weights)) == 1 and case.weights[0] not in (0.0, 1.0),
    "Coefficients that are all the same are divided out again, so they change nothing.",
    "Give each expert its own, or turn the normalisation off.",
)
BOTH_SIGNS = Notice(
    lambda case: min(case.weights) < 0.0 < max(case.weights),
    "Coefficients of both signs nearly cancel where they are added up, and dividing by so little "
    "can make the result explode.",
    "Keep coefficients positive, or combine by mean or sum.",
)


def only(knob: str, value: Any, notice: Notice) -> Notice:
    """Return a notice that holds only where a setting has a value."""

    def when(case: Case) -> bool:
        return case.knobs[knob] == value and notice.when(case)

    return Notice(when, notice.what, notice.remedy, notice.severity)

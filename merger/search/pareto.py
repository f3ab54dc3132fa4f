"""Tried merges on two axes: the cloud, its front, and the models that they are compared with."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from merger.info import Info
from merger.search.front import front, hypervolume, knee, stairs
from merger.search.objective import Measured, Objective
from merger.search.trial import Trial, Values, points_of

UNKNOWN = Measured(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True, eq=False)
class Cloud(Info):
    """Scored merges at their places on two axes; those without a value on one are left out.

    Args:
        digests: Identity of each merge.
        words: Each recipe in words.
        x: Value, low and high on the first axis, (merges, 3).
        y: Value, low and high on the second axis, (merges, 3).
        n: Examples behind each merge's measured values.
        on_front: Whether no other merge beats it on validation.
        pinned: Whether its owner pinned it.
        stairs: Corners of the line along the front, (corners, 2); empty for test values.
        hidden: How many merges have no value on one of the axes.
        volume: Area between the front and the base, on validation; NaN where it is unknown.
        key: Changes when anything above does.
    """

    digests: tuple[str, ...]
    words: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    on_front: np.ndarray
    pinned: np.ndarray
    stairs: np.ndarray
    hidden: int
    volume: float
    key: str = ""


@dataclass(frozen=True)
class Mark:
    """A model that merges are compared with, or the merge on screen.

    Args:
        name: What it is called: "base", an expert's name, "pinned merge", "this merge".
        words: What it is, in words.
        x: Its value on the first axis.
        y: Its value on the second axis.
        measured: Whether the values are of a whole split; else they are estimated.
    """

    name: str
    words: str
    x: Measured
    y: Measured
    measured: bool = True

    @property
    def is_placed(self) -> bool:
        """Whether it has a value on both axes."""
        return bool(np.isfinite(self.x.value) and np.isfinite(self.y.value))


@dataclass(frozen=True, eq=False)
class ParetoInfo(Info):
    """What the front is drawn from.

    Args:
        x: What the first axis shows.
        y: What the second axis shows.
        split: "validation" or "test": where the points stand; the front is of validation always.
        method: Title of the only method shown; empty for all.
        cloud: The scored merges.
        base: The base; None where it has no place.
        experts: The single experts.
        pin: The pinned merge that is compared with; None without one.
        current: The merge on screen; None where it is not scored.
    """

    x: Objective
    y: Objective
    split: str
    method: str
    cloud: Cloud
    base: Mark | None
    experts: tuple[Mark, ...]
    pin: Mark | None
    current: Mark | None

    @property
    def knee(self) -> int | None:
        """Which merge of the cloud is the knee of the front; None without one, and for test."""
        if self.split != "validation":
            return None
        senses = (self.x.higher_is_better, self.y.higher_is_better)
        return knee(np.stack([self.cloud.x[:, 0], self.cloud.y[:, 0]], 1), senses)


def measure_cloud(
    trials: Sequence[Trial], x: Objective, y: Objective, split: str, base: Values | None
) -> Cloud:
    """Return where scored merges stand, and which of them no other beats on validation.

    Args:
        trials: The merges.
        x: The first axis.
        y: The second axis.
        split: "validation" or "test": where points are shown.
        base: The base's values on validation, from which the area of the front is counted.
    """
    axes, senses = (x, y), (x.higher_is_better, y.higher_is_better)
    places = points_of(trials, axes)
    best = front(places, senses)
    seen = np.isfinite(points_of(trials, axes, split)).all(axis=1).reshape(-1)
    shown = [t for t, is_seen in zip(trials, seen.tolist(), strict=True) if is_seen]
    at = [[t.on(split)[o.name] for t in shown] for o in axes]
    corners = stairs(places, senses) if split == "validation" else np.zeros((0, 2))
    volume = float("nan")
    if base is not None and x.name in base and y.name in base:
        volume = hypervolume(places, senses, (base[x.name].value, base[y.name].value))
    found = Cloud(
        digests=tuple(t.digest for t in shown),
        words=tuple(t.words for t in shown),
        x=_ends(at[0]),
        y=_ends(at[1]),
        n=np.array([max(a.n, b.n) for a, b in zip(*at, strict=True)], np.int64),
        on_front=best[seen],
        pinned=np.array([t.pinned for t in shown], bool),
        stairs=corners,
        hidden=int((~seen).sum()),
        volume=volume,
    )
    return replace(found, key=_key(found))


def mark(
    name: str,
    words: str,
    values: Values | None,
    axes: tuple[Objective, Objective],
    measured: bool = True,
) -> Mark | None:
    """Return where a model stands on two axes; None where it has no place."""
    if values is None:
        return None
    x, y = (values.get(axis.name, UNKNOWN) for axis in axes)
    found = Mark(name, words, x, y, measured)
    return found if found.is_placed else None


def _ends(values: Sequence[Measured]) -> np.ndarray:
    return np.array([v[:3] for v in values], np.float64).reshape(len(values), 3)


def _key(cloud: Cloud) -> str:
    text = json.dumps([cloud.digests, cloud.words, cloud.hidden])
    arrays = (cloud.x, cloud.y, cloud.on_front, cloud.pinned, cloud.stairs)
    parts = [text.encode(), *(array.tobytes() for array in arrays)]
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()

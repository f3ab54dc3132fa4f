"""Which points no other point beats: the Pareto front, its knee, and how much lies behind it."""

from collections.abc import Sequence

import numpy as np

from merger.errors import MergeError


def upright(points: np.ndarray, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Return points turned so that more is better in every column, (points, objectives)."""
    values = np.asarray(points, np.float64)
    if values.ndim != 2 or values.shape[1] != len(higher_is_better):
        raise ValueError(f"points must be (n, {len(higher_is_better)}), got {values.shape}")
    return values * np.where(list(higher_is_better), 1.0, -1.0)


def front(points: np.ndarray, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Say of each point whether no other is at least as good in all and better in one.

    Equal points do not beat each other; a point with an unknown value is never on the front.

    Args:
        points: One row per point, one column per objective, (n, k).
        higher_is_better: One word per objective.
    """
    values = upright(points, higher_is_better)
    known = np.flatnonzero(np.isfinite(values).all(1))
    out = np.zeros(len(values), bool)
    if len(known):
        # Equal points stand or fall together, so each place is looked at once.
        places, where = np.unique(values[known], axis=0, return_inverse=True)
        out[known] = _places(places)[where.reshape(-1)]
    return out


def ranks(points: np.ndarray, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Return 1 for the front, 2 for the front of the rest, and so on; 0 where a value is unknown.

    Args:
        points: One row per point, one column per objective, (n, k).
        higher_is_better: One word per objective.
    """
    values = upright(points, higher_is_better)
    out = np.zeros(len(values), np.int64)
    left = np.flatnonzero(np.isfinite(values).all(1))
    rank = 0
    while len(left):
        rank += 1
        best = front(values[left], (True,) * values.shape[1])
        out[left[best]] = rank
        left = left[~best]
    return out


def hypervolume(
    points: np.ndarray, higher_is_better: Sequence[bool], reference: Sequence[float]
) -> float:
    """Return the area between the front and a reference point; exact, for two objectives.

    Args:
        points: One row per point, (n, 2).
        higher_is_better: One word per objective.
        reference: A point that counts as no gain at all; points that do not beat it add nothing.
    Raises:
        MergeError: there are not two objectives.
    """
    if len(higher_is_better) != 2:
        raise MergeError(
            f"The hypervolume is computed for 2 objectives, got {len(higher_is_better)}.",
            "Choose two of them.",
        )
    low = upright(np.array([list(reference)]), higher_is_better)[0]
    values = upright(points, higher_is_better)
    values = values[np.isfinite(values).all(1)]
    values = values[(values > low).all(1)] if len(values) else values
    area, top = 0.0, float(low[1])
    # From the right: each step of the stairs adds what lies above the one before it.
    for x, y in values[np.lexsort((-values[:, 1], -values[:, 0]))]:
        if y > top:
            area += (float(x) - float(low[0])) * (float(y) - top)
            top = float(y)
    return area


def stairs(points: np.ndarray, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Return the corners of the line that bounds what the front beats, (corners, 2)."""
    values = upright(points, higher_is_better)
    best = np.unique(values[front(values, (True, True))], axis=0)  # by the first, ascending
    corners = []
    for i, (x, y) in enumerate(best):
        if i:
            corners.append((best[i - 1][0], y))
        corners.append((x, y))
    turned = np.array(corners, np.float64).reshape(-1, 2)
    return upright(turned, higher_is_better)


def knee(points: np.ndarray, higher_is_better: Sequence[bool]) -> int | None:
    """Return which point is the knee of a front of two objectives; None where it has none.

    The knee lies farthest above the straight line between the ends of the front, both objectives
    counted as shares of what the front spans: before it little is given up for much, after it
    much for little. A front of fewer than three places, or one that bends inward, has none.

    Args:
        points: One row per point, (n, 2).
        higher_is_better: One word per objective.
    """
    values = upright(points, higher_is_better)
    if values.shape[1] != 2:
        raise ValueError(f"a knee takes 2 objectives, got {values.shape[1]}")
    best = np.flatnonzero(front(values, (True, True)))
    if len(np.unique(values[best], axis=0)) < 3:
        return None
    low, high = values[best].min(0), values[best].max(0)
    above = ((values[best] - low) / (high - low)).sum(1) - 1.0
    return int(best[above.argmax()]) if above.max() > 1e-9 else None


def _places(values: np.ndarray) -> np.ndarray:
    """Return the mask of the front of points that all differ."""
    if values.shape[1] == 2:
        order = np.lexsort((-values[:, 1], -values[:, 0]))
        second = values[order, 1]
        before = np.concatenate([[-np.inf], np.maximum.accumulate(second)[:-1]])
        out = np.zeros(len(values), bool)
        out[order] = second > before
        return out
    return np.array([not ((values >= v).all(1) & (values > v).any(1)).any() for v in values], bool)

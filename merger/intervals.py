"""How sure a score is: intervals for shares, for paired changes, and for means over tasks."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from merger.stack import keyed

Z95 = 1.959963984540054
RESAMPLES = 1000


class Interval(NamedTuple):
    """A value and its 95 % interval.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def sees_difference(self) -> bool:
        """Tell whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0


def wilson(k: float, n: float, z: float = Z95) -> Interval:
    """Return a share k/n with Wilson's interval; (0, 1) when there is nothing to count."""
    if n <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)))


def paired_difference(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    clusters: Sequence[object] | np.ndarray | None = None,
    seed: int = 0,
    sizes: Sequence[float] | np.ndarray | None = None,
) -> Interval:
    """Return mean(a − b) over the same examples with a 95 % interval.

    With clusters (such as the font an image was drawn with) whole clusters are resampled: a
    bootstrap of 1,000 draws. Without, right-or-wrong outcomes get Bonett and Price's interval,
    other numbers a normal one. The interval always holds the estimate.

    Args:
        a: One number per example, such as 1 for right and 0 for wrong.
        b: The same examples under the other model.
        clusters: Which examples share a source, one label per example.
        seed: Which bootstrap draws.
        sizes: What each example counts for, such as its bytes: the result is Σ(a − b)/Σ sizes.
    """
    d = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    size = np.ones(len(d)) if sizes is None else np.asarray(sizes, np.float64)
    if not len(d) or size.sum() <= 0:
        return Interval(float("nan"), float("-inf"), float("inf"))
    value = float(d.sum() / size.sum())
    if clusters is not None:
        groups, where = np.unique(np.asarray(clusters), return_inverse=True)
        if len(groups) > 1 and d.any():
            return _bootstrap(value, d, size, where, len(groups), seed)
        if not d.any():
            return _counted(value, np.zeros(len(groups)))
    if sizes is None and np.isin(d, (-1.0, 0.0, 1.0)).all():
        return _counted(value, d)
    return _normal(value, d, size)


def mean_interval(parts: Sequence[Interval], weights: Sequence[float] | None = None) -> Interval:
    """Return the mean over tasks, each task measured on examples of its own.

    Args:
        parts: The tasks' intervals.
        weights: How much each counts, adding up to 1; None for all alike.
    """
    if not parts:
        return Interval(float("nan"), float("-inf"), float("inf"))
    shares = np.full(len(parts), 1.0 / len(parts)) if weights is None else np.array(weights)
    ends = np.array([[p.value, p.value - p.low, p.high - p.value] for p in parts])
    value = float(np.mean(ends[:, 0]) if weights is None else shares @ ends[:, 0])
    down, up = np.sqrt(((shares[:, None] * ends[:, 1:]) ** 2).sum(0))
    return Interval(value, value - float(down), value + float(up))


def _counted(value: float, d: np.ndarray) -> Interval:
    """Bonett and Price (2012): one made-up example on each side keeps the width above zero."""
    n = len(d) + 2
    up, down = ((d > 0).sum() + 1) / n, ((d < 0).sum() + 1) / n
    half = Z95 * float(max(0.0, up + down - (up - down) ** 2) / n) ** 0.5
    centre = float(up - down)
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Interval(value, min(value, low), max(value, high))


def _normal(value: float, d: np.ndarray, size: np.ndarray) -> Interval:
    n = len(d)
    if n < 2:
        return Interval(value, float("-inf"), float("inf"))
    off = d - value * size
    half = Z95 * float(np.sqrt((off**2).sum() * n / (n - 1))) / float(size.sum())
    return Interval(value, value - half, value + half)


def _bootstrap(
    value: float, d: np.ndarray, size: np.ndarray, where: np.ndarray, groups: int, seed: int
) -> Interval:
    drawn = _resamples(groups, seed)  # (resamples, groups)
    top = drawn @ np.bincount(where, weights=d, minlength=groups)
    bottom = drawn @ np.bincount(where, weights=size, minlength=groups)
    spread = np.divide(top, bottom, out=np.full(len(top), value), where=bottom > 0) - value
    # Few clusters: a plain percentile interval is too narrow by this factor.
    low, high = np.quantile(spread, (0.025, 0.975)) * (groups / (groups - 1)) ** 0.5
    return Interval(value, value + min(0.0, float(low)), value + max(0.0, float(high)))


@lru_cache(maxsize=64)
def _resamples(groups: int, seed: int) -> np.ndarray:
    rng = keyed(seed, "bootstrap", str(groups))
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES).astype(np.float64)
    drawn.flags.writeable = False
    return drawn

"""Named shapes that a setting can have over depth, as deviations from its mean."""

SHAPES = ("flat", "rising", "falling", "middle", "ends")
POINTS = (2, 3, 4, 5, 6, 7, 8)
"""How many points the curve of a setting may be drawn with."""


def deviations(shape: str, points: int) -> tuple[float, ...]:
    """Return a shape at evenly spaced depths: their sum is 0 and the largest magnitude 1.

    Two points have no middle: "middle" and "ends" are flat there.

    A curve of mean m and swing a is m + a · deviation at each point, so all keep the mean.

    Args:
        shape: One of `SHAPES`; "flat" is all zeros.
        points: How many, at least 2.

    Example:
        >>> deviations("rising", 3)
        (-1.0, 0.0, 1.0)
        >>> deviations("middle", 3)
        (-0.5, 1.0, -0.5)
    """
    rising = [2.0 * i / (points - 1) - 1.0 for i in range(points)]
    if shape in ("rising", "falling"):
        return tuple(r if shape == "rising" else 0.0 - r for r in rising)
    if shape == "flat":
        return (0.0,) * points
    tent = [1.0 - abs(r) for r in rising]
    mean = sum(tent) / points
    largest = max(abs(t - mean) for t in tent) or 1.0
    sign = 1.0 if shape == "middle" else -1.0
    return tuple(sign * (t - mean) / largest for t in tent)


def shape_table() -> dict[str, dict[int, list[float]]]:
    """Return every shape at every number of points."""
    return {shape: {n: list(deviations(shape, n)) for n in POINTS} for shape in SHAPES}

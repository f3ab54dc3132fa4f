"""Named shapes over depth."""

import pytest

from merger.profiles import POINTS, SHAPES, deviations, shape_table


def test_shapes_are_those_one_computes_by_hand():
    assert deviations("flat", 4) == (0.0, 0.0, 0.0, 0.0)
    assert deviations("rising", 5) == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert deviations("falling", 3) == (1.0, 0.0, -1.0)
    # A tent of 0, ½, 1, ½, 0 has the mean 0.4; its largest distance from it is 0.6.
    middle = (-2 / 3, 1 / 6, 1.0, 1 / 6, -2 / 3)
    assert deviations("middle", 5) == pytest.approx(middle)
    assert deviations("ends", 5) == pytest.approx([-d for d in middle])


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_keeps_the_mean_and_reaches_its_swing(shape: str, points: int) -> None:
    found = deviations(shape, points)
    assert len(found) == points
    assert sum(found) == pytest.approx(0.0, abs=1e-12)
    is_flat = shape == "flat" or (points == 2 and shape in ("middle", "ends"))
    assert max(map(abs, found)) == (0.0 if is_flat else pytest.approx(1.0))
    assert shape_table()[shape][points] == list(found)

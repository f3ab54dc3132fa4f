import numpy as np

from viz.figures.words import (
    against_chance,
    best_pair,
    marked,
    percent,
    plain_number,
    points,
    short,
    signed,
)


def test_numbers_read_as_people_write_them():
    assert percent(0.1234) == "12.3%" and percent(-0.5, 0) == "−50%"
    assert points(0.021) == "+2.1 points" and points(-0.3) == "−30.0 points"
    assert signed(-0.031) == "−0.03" and signed(-0.001) == signed(0.0) == "0.00"
    assert plain_number(-0.001) == "0.00" and plain_number(-0.5, 1) == "−0.5"
    assert [f(float("nan")) for f in (percent, points, signed)] == ["–", "–", "–"]


def test_chance_is_a_band():
    assert against_chance(0.6, 0.5, 0.02) == "more than chance (50.0% ± 2.0%)"
    assert against_chance(0.51, 0.5, 0.02) == "no different from chance (50.0% ± 2.0%)"
    assert against_chance(0.4, 0.5, 0.02) == "less than chance (50.0% ± 2.0%)"


def test_a_band_too_narrow_to_write_is_said_to_be():
    assert against_chance(0.5, 0.5, 0.0004) == "no different from chance (50.0% ± under 0.1%)"
    assert against_chance(0.5, 0.5, 0.0) == "no different from chance (50.0% ± 0.0%)"


def test_a_mark_stands_a_thin_space_after_its_number():
    assert marked("12%", "▲") == "12%\u2009▲" and marked("12%", "") == "12%"


def test_long_names_end_in_an_ellipsis():
    assert short("short") == "short" and short("abcdefgh", 4) == "abc…"


def test_best_pairs_leave_the_diagonal_out():
    table = np.array([[9.0, 1.0, 3.0], [1.0, 9.0, np.nan], [3.0, np.nan, 9.0]])
    assert best_pair(table) == (0, 2) and best_pair(table, largest=False) == (0, 1)
    assert best_pair(np.array([[1.0]])) is None

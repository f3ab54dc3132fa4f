"""Ink: lines, boxes and borders against hand-computed pixels."""

import numpy as np
import pytest

from merger.ink import (
    SIDE,
    draw_strokes,
    fill,
    fit_picture,
    fit_strokes,
    ink_of,
    mass_centre,
    shrink,
)


def points(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float64)


def test_a_line_is_as_wide_as_it_says_with_soft_edges() -> None:
    # Along y = 2 from x = 1 to 5, two pixels wide: rows 1 and 2 lie inside, 0 and 3 outside.
    ink = draw_strokes([points((1, 2), (5, 2))], width=2, side=6)
    assert ink[:, 3].tolist() == [0, 1, 1, 0, 0, 0]
    # Three wide: the next rows, 1.5 pixels away, get half a pixel of it.
    assert draw_strokes([points((1, 2), (5, 2))], 3, 6)[:, 3].tolist() == [0.5, 1, 1, 0.5, 0, 0]
    assert ink[1, 5] == pytest.approx(1.5 - np.hypot(0.5, 0.5))  # the round end


def test_a_single_point_is_a_dot_and_no_stroke_is_nothing() -> None:
    ink = draw_strokes([points((1.5, 2.5))], width=1, side=4)
    assert ink[2, 1] == 1 and ink.sum() == 1
    assert draw_strokes([], 2, 4).sum() == 0


def test_strokes_fill_the_box_whatever_their_size_on_the_page() -> None:
    for size in (0.3, 0.9):
        fitted = fit_strokes([points((0.05, 0), (0.05, size))], box=20, width=2)
        assert fitted[0].tolist() == [[14, 5], [14, 23]]  # 18 pixels, and the line's ends


def test_a_dot_stays_small() -> None:
    fitted = fit_strokes([points((0.4, 0.4), (0.45, 0.4))], box=22, width=2)
    assert float(np.ptp(fitted[0], axis=0).max()) == pytest.approx(20 * 0.05 / 0.25)


def test_centring_by_mass_puts_the_heavy_side_in_the_middle() -> None:
    strokes = [points((0, 0), (1, 0)), points((0, 0), (0, 1)), points((0, 0.1), (0, 0.9))]
    by_box = draw_strokes(fit_strokes(strokes, 16, 2, "box"), 2)
    by_mass = draw_strokes(fit_strokes(strokes, 16, 2, "mass"), 2)
    assert (mass_centre(by_box) < 12).all()
    assert mass_centre(by_mass) == pytest.approx([14, 14], abs=0.05)


def test_the_centre_of_mass_counts_pixel_middles() -> None:
    ink = np.zeros((4, 4))
    ink[0, 1], ink[2, 1] = 1, 3
    assert mass_centre(ink).tolist() == [1.5, 2.0]
    assert mass_centre(np.zeros((4, 4))).tolist() == [2, 2]


@pytest.mark.parametrize(("paper", "pen"), [(230, 30), (10, 200)])
def test_ink_is_light_whether_it_was_dark_on_light_or_light_on_dark(paper: int, pen: int) -> None:
    picture = np.full((8, 8), paper, np.uint8)
    picture[3, 2:6] = pen
    picture[5, 5] = paper + 5  # the grain of the paper
    ink = ink_of(picture)
    assert ink[3, 2:6].tolist() == [1, 1, 1, 1] and ink.sum() == 4


def test_an_empty_page_has_no_ink() -> None:
    assert ink_of(np.full((8, 8), 77, np.uint8)).sum() == 0
    assert fit_picture(np.zeros((8, 8)), 20).sum() == 0


def test_a_picture_is_scaled_to_the_box_by_area() -> None:
    ink = np.zeros((56, 56))
    ink[10:50, 30:40] = 1  # 40 high: to 20 pixels each is half a pixel
    fitted = fit_picture(ink, box=20)
    assert fitted[:4].sum() == 0 and fitted[24:].sum() == 0
    assert fitted[4:24].sum() == pytest.approx(20 * 5)
    assert fitted[14].tolist()[10:18] == [0, 0.5, 1, 1, 1, 1, 0.5, 0]
    assert mass_centre(fitted) == pytest.approx([14, 14])


def test_shrinking_takes_means_over_areas() -> None:
    picture = np.zeros((56, 56), np.uint8)
    picture[0, 0], picture[0, 1], picture[3, 2] = 100, 60, 40
    small = shrink(picture)
    assert small.shape == (SIDE, SIDE)
    assert small[0, 0] == pytest.approx(40) and small[1, 1] == pytest.approx(10)
    whole = np.arange(784, dtype=np.uint8).reshape(28, 28)
    assert shrink(whole).tolist() == whole.tolist()


def test_only_what_lines_close_in_is_filled() -> None:
    ink = np.zeros((5, 7))
    ink[0:3, 0:3] = 1
    ink[1, 1] = 0  # enclosed
    ink[3, 4:7] = 1
    ink[4, 4] = 1  # a corner, open to the right
    filled = fill(ink, 0.5)
    assert filled[1, 1] == 0.5
    assert (filled - ink).sum() == 0.5

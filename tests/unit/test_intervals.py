import numpy as np
import pytest

from merger.intervals import Interval, mean_interval, paired_difference, wilson


def test_wilson_by_hand():
    got = wilson(8, 10)
    assert got == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10).high == 1.0


def test_nothing_counted_says_nothing():
    got = wilson(0, 0)
    assert np.isnan(got.value) and (got.low, got.high) == (0.0, 1.0)


def test_paired_outcomes_get_bonett_and_price():
    a = np.array([1] * 30 + [1] * 6 + [0] * 2 + [0] * 12)
    b = np.array([1] * 30 + [0] * 6 + [1] * 2 + [0] * 12)
    got = paired_difference(a, b)
    up, down = 7 / 52, 3 / 52
    half = 1.959964 * ((up + down - (up - down) ** 2) / 52) ** 0.5
    assert got == pytest.approx((4 / 50, up - down - half, up - down + half))
    assert not got.sees_difference


def test_no_change_still_has_a_width():
    got = paired_difference(np.ones(40), np.ones(40))
    assert got.value == 0 and got.low < 0 < got.high
    grouped = paired_difference(np.ones(40), np.ones(40), np.arange(40) // 4)
    assert grouped.value == 0 and grouped.high > got.high


def test_examples_of_one_font_count_as_one():
    rng = np.random.default_rng(0)
    change = np.repeat(rng.integers(0, 2, 20), 10)
    plain = paired_difference(change, np.zeros(200))
    grouped = paired_difference(change, np.zeros(200), np.repeat(np.arange(20), 10))
    assert grouped.value == plain.value
    assert grouped.high - grouped.low > 2 * (plain.high - plain.low)


def test_the_bootstrap_agrees_with_the_formula_where_every_example_is_its_own_cluster():
    rng = np.random.default_rng(1)
    a, b = rng.random(300) < 0.7, rng.random(300) < 0.6
    plain = paired_difference(a, b)
    grouped = paired_difference(a, b, np.arange(300))
    assert grouped.low == pytest.approx(plain.low, abs=0.012)
    assert grouped.high == pytest.approx(plain.high, abs=0.012)


def test_the_same_seed_draws_the_same_and_the_labels_do_not_matter():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 2, (2, 60))
    fonts = np.arange(60) // 6
    first = paired_difference(a, b, fonts, seed=5)
    assert first == paired_difference(a, b, [f"font {f}" for f in fonts], seed=5)
    assert first != paired_difference(a, b, fonts, seed=6)


def test_bits_are_divided_by_bytes():
    got = paired_difference([10.0, 20.0, 30.0], [8.0, 20.0, 26.0], sizes=[2.0, 2.0, 4.0])
    assert got.value == 6 / 8
    assert got.low < got.value < got.high


def test_one_example_cannot_tell():
    got = paired_difference([0.3], [0.1])
    assert got.low == float("-inf") and not got.sees_difference


def test_swapping_the_models_mirrors_the_interval():
    a, b = np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 0])
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low)
    )


def test_intervals_cover_about_as_often_as_promised():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        skill = rng.random(24)
        fonts = np.repeat(np.arange(24), 6)
        a = rng.random(144) < 0.3 + 0.5 * skill[fonts]
        b = rng.random(144) < 0.3 + 0.4 * skill[fonts]
        got = paired_difference(a, b, fonts)
        hits += got.low <= 0.05 <= got.high
    assert hits >= 0.91 * 300


def test_mean_over_tasks_is_surer_than_one_task():
    got = mean_interval([Interval(0.5, 0.4, 0.6), Interval(0.7, 0.6, 0.8)])
    assert got == pytest.approx((0.6, 0.6 - 0.1 / 2**0.5, 0.6 + 0.1 / 2**0.5))
    assert np.isnan(mean_interval([]).value)

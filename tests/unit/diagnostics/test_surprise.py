"""Bits per byte, the least surprised and the widest difference, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from merger.diagnostics.surprise import SurpriseInfo

NAN = float("nan")
INFO = SurpriseInfo(
    names=("merged", "base", "x", "y"),
    roles=("merged", "base", "expert", "expert"),
    own=-1,
    words=("T", "h", "e"),
    bits=np.array([[1.0, 2.0], [3.0, 4.0], [2.0, 1.0], [NAN, NAN]]),
    bytes=2,
    following=((("!", 0.5),), (("?", 0.25),), (("!", 0.75),), ()),
    whys=("", "", "", "It was not asked."),
)


def test_bits_per_byte_are_the_sum_over_the_bytes_they_stand_for() -> None:
    assert INFO.bits_per_byte[:3].tolist() == [1.5, 3.5, 1.5] and np.isnan(INFO.bits_per_byte[3])


def test_the_least_surprised_is_one_of_base_and_experts() -> None:
    assert INFO.least == 2 and INFO.merged == 0


def test_the_widest_difference_is_between_base_and_experts() -> None:
    assert INFO.widest == 2  # "e": 4 bits against 1
    alone = replace(INFO, names=INFO.names[:2], roles=INFO.roles[:2], bits=INFO.bits[:2],
                    following=INFO.following[:2], whys=INFO.whys[:2])  # fmt: skip
    assert alone.widest == -1


def test_a_single_token_costs_nobody_anything() -> None:
    single = replace(INFO, words=("T",), bits=np.empty((4, 0)), bytes=0)
    assert np.isnan(single.bits_per_byte).all() and single.least == -1 and single.widest == -1
    assert single.to_json()["bits"] == [[], [], [], []]
    assert single == single and single != INFO


def test_answered_is_what_has_no_reason_against_it() -> None:
    assert INFO.answered.tolist() == pytest.approx([1, 1, 1, 0])

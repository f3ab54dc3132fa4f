"""Votes, the winner and who follows whom, against counts by hand."""

import numpy as np
import pytest

from merger.diagnostics.answers import AnswersInfo

NAN = float("nan")
INFO = AnswersInfo(
    task="letters",
    names=("merged", "A", "base", "x", "y", "z"),
    roles=("merged", "pin", "base", "expert", "expert", "expert"),
    own=3,
    classes=("a", "b", "c"),
    chances=np.array(
        [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.3, 0.6, 0.1],
         [NAN, NAN, NAN]]
    ),
    whys=("", "", "", "", "", "It was not asked."),
    truth=1,
)  # fmt: skip


def test_only_base_and_experts_that_answered_vote() -> None:
    assert INFO.votes.tolist() == [1, 2, 0]  # base a; x and y b; not the merge, the pin or z
    assert INFO.winner == 1 and INFO.best.tolist() == [1, 2, 0, 1, 1, -1]
    assert INFO.merged == 0 and INFO.answered.tolist() == [True] * 5 + [False]


def test_a_shared_first_place_has_no_winner() -> None:
    two = AnswersInfo("t", ("base", "x"), ("base", "expert"), -1, ("a", "b"),
                      np.array([[0.9, 0.1], [0.2, 0.8]]), ("", ""))  # fmt: skip
    assert two.votes.tolist() == [1, 1] and two.winner == -1 and two.merged == -1


def test_the_likeliest_classes_come_in_order_and_equal_ones_in_theirs() -> None:
    assert INFO.top(0, 2) == [1, 2] and INFO.top(5, 2) == []
    assert INFO.top(1, 3) == [2, 0, 1]


def test_what_nobody_answered_has_no_winner() -> None:
    silent = AnswersInfo("t", ("base",), ("base",), -1, ("a",), np.array([[NAN]]), ("Why.",))
    assert silent.winner == -1 and silent.votes.tolist() == [0]
    assert silent == silent and silent.to_json()["chances"] == [[None]]


@pytest.mark.parametrize("truth", [-1, 0])
def test_an_image_may_have_no_label(truth: int) -> None:
    assert AnswersInfo("t", (), (), -1, ("a",), np.empty((0, 1)), (), truth).truth == truth

"""Labels and classes: by name, by number, or a message that names both."""

import pytest

from merger.errors import TaskError
from merger.tasks.labels import classes_of, match_labels


def test_labels_are_names_of_classes_in_any_case() -> None:
    classes = ("NEGATIVE", "very_good")
    assert match_labels(("Very good", "negative"), classes, "d", "m") == {
        "Very good": 1,
        "negative": 0,
    }


def test_numbers_are_classes_where_they_are_no_names() -> None:
    assert match_labels(("0", "2"), ("a", "b", "c"), "d", "m") == {"0": 0, "2": 2}
    # Classes that are called by digits: the name counts, not the place.
    assert match_labels(("1", "2"), ("2", "1"), "d", "m") == {"1": 1, "2": 0}


def test_classes_that_differ_only_in_case_are_told_apart() -> None:
    assert match_labels(("A", "a"), ("a", "A"), "d", "m") == {"A": 1, "a": 0}


def test_a_mismatch_names_both_sides() -> None:
    with pytest.raises(TaskError, match="Not among them: 'happy'; m knows 'sad', 'glad'"):
        match_labels(("happy", "sad"), ("sad", "glad"), "d.csv", "m")
    with pytest.raises(TaskError, match="Not among them: '0', '2'"):
        match_labels(("0", "2"), ("sad", "glad"), "d.csv", "m")


def test_classes_come_from_the_config_in_order() -> None:
    assert classes_of({"id2label": {"1": "b", "0": "a"}}, "m") == ("a", "b")
    assert classes_of({"num_labels": 3}, "m") == ("LABEL_0", "LABEL_1", "LABEL_2")
    with pytest.raises(TaskError, match="must number two or more classes from 0"):
        classes_of({"id2label": {"1": "b", "2": "a"}}, "m")
    with pytest.raises(TaskError, match="this one is for regression"):
        classes_of({"problem_type": "regression"}, "m")

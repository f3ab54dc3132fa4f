"""What two recipes have not in common."""

from typing import Any

import pytest

from merger.difference import differences
from merger.recipe import Recipe

ONE: dict[str, Any] = {
    "method": "ties",
    "base": "zoo:base",
    "experts": ["zoo:mnist", "zoo:greek@64"],
}


def said(one: dict[str, Any], two: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = differences(Recipe.from_json(ONE | one), Recipe.from_json(ONE | two))
    return [(d.what, d.a, d.b) for d in found]


def test_equal_recipes_differ_in_nothing_also_where_one_writes_a_default_out() -> None:
    assert said({}, {}) == []
    assert said({"params": {"density": 0.2}, "weights": [1, 1]}, {}) == []


@pytest.mark.parametrize(
    ("two", "row"),
    [
        ({"params": {"density": 0.5}}, ("density", "0.2", "0.5")),
        ({"params": {"scale": {"depth": [0, 2]}}}, ("scale", "1", "0 to 2 over depth")),
        ({"weights": [1, 0.5]}, ("greek: coefficient", "1", "0.5")),
        ({"experts": ["zoo:mnist", "zoo:greek"]}, ("greek: step", "64", "last")),
        (
            {"experts": ["zoo:greek@64", "zoo:mnist"]},
            ("order", "mnist and greek", "greek and mnist"),
        ),
        ({"after": ["lines"]}, ("LiNeS after", "off", "on")),
        ({"seed": 7}, ("seed", "0", "7")),
        ({"out_dtype": "float16"}, ("saved as", "as the base", "float16")),
    ],
)
def test_one_change_is_one_row(two: dict[str, Any], row: tuple[str, str, str]) -> None:
    assert said({}, two) == [row]


def test_values_that_look_the_same_are_written_out() -> None:
    rows = said({"params": {"scale": 0.5}}, {"params": {"scale": 0.500001}})
    assert rows == [("scale", "0.5", "0.500001")]


def test_other_experts_are_named_on_their_side() -> None:
    rows = said({}, {"experts": ["zoo:mnist", "zoo:latin", "zoo:arabic"]})
    assert rows == [("experts only here", "greek", "latin and arabic")]


def test_of_other_methods_only_chosen_settings_are_named() -> None:
    rows = said({"params": {"density": 0.1}}, {"method": "task_arithmetic"})
    assert rows == [("method", "TIES", "Task arithmetic"), ("density", "0.1", "–")]


def test_a_verb_with_other_settings_names_the_setting() -> None:
    rows = said({"after": ["lines"]}, {"after": [{"lines": {"alpha": 0.25}}]})
    assert [(what, b) for what, _, b in rows] == [("LiNeS: alpha", "0.25")]

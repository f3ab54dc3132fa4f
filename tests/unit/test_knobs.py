"""Settings: bounds, kinds, lists per expert, values that change with depth."""

import math

import pytest

from merger.errors import RecipeError
from merger.knobs import Knob, Param
from merger.recipe import Depth

SHARE = Param("density", float, 0.2, Knob(0.0, 1.0, per_expert=True))
OPEN = Param("scale", float, 1.0)
COUNT = Param("rank", int, 2, Knob(1, 8))
WORD = Param("trim", str, "global", choices=("global", "tensor"))
FLAG = Param("clamp", bool, True)
AUTO = Param("alpha", float, None, optional=True)


@pytest.mark.parametrize(
    ("param", "value", "message"),
    [
        (SHARE, 1.5, "ties: density must be between 0 and 1, got 1.5."),
        (SHARE, True, "ties: density must be a number, got True."),
        (SHARE, "0.5", "ties: density must be a number, got '0.5'."),
        (SHARE, None, "ties: density must be a number, got None."),
        (SHARE, {"depth": [1]}, "ties: density must be a number, got {'depth': [1]}."),
        (OPEN, math.nan, "ties: scale must be a finite number, got nan."),
        (OPEN, -math.inf, "ties: scale must be a finite number, got -inf."),
        (COUNT, 2.5, "ties: rank must be a whole number, got 2.5."),
        (COUNT, 9, "ties: rank must be between 1 and 8, got 9."),
        (WORD, "globl", "ties: trim must be one of global, tensor, got 'globl'."),
        (WORD, 1, "ties: trim must be one of global, tensor, got 1."),
        (FLAG, 1, "ties: clamp must be true or false, got 1."),
        (OPEN, [1.0, 2.0], "ties: scale must be a number, got a list of 2."),
    ],
)
def test_what_is_not_valid_is_refused_with_thing_rule_and_value(param, value, message):
    with pytest.raises(RecipeError) as caught:
        param.check(value, "ties", 2)
    assert caught.value.message == message


def test_a_near_miss_of_a_word_is_named():
    with pytest.raises(RecipeError) as caught:
        WORD.check("globl", "ties")
    assert caught.value.hint == "Did you mean 'global'?"


def test_values_come_back_in_their_own_type():
    assert SHARE.check(1, "ties") == 1.0 and isinstance(SHARE.check(1, "ties"), float)
    assert COUNT.check(3.0, "ties") == 3 and isinstance(COUNT.check(3.0, "ties"), int)
    assert AUTO.check(None, "lines") is None


def test_one_sided_bounds_say_which_side():
    with pytest.raises(RecipeError, match="must be at least 0, got -1"):
        Param("p", float, 1.0, Knob(low=0.0)).check(-1, "x")
    with pytest.raises(RecipeError, match="must be at most 2, got 3"):
        Param("p", float, 1.0, Knob(high=2.0)).check(3, "x")


def test_a_list_is_per_expert_and_has_one_value_for_each():
    assert SHARE.check([0.1, 1], "ties", 2) == (0.1, 1.0)
    assert SHARE.check([0.1, 1], "ties") == (0.1, 1.0)
    with pytest.raises(RecipeError, match=r"one value per expert \(3\), got 2") as caught:
        SHARE.check([0.1, 0.2], "ties", 3)
    assert "depth" in caught.value.hint
    with pytest.raises(RecipeError, match="between 0 and 1, got 7"):
        SHARE.check([0.1, 7], "ties", 2)


def test_a_number_may_change_with_depth_and_every_value_is_checked():
    depth = Depth((0.1, 0.9))
    assert SHARE.check(depth, "ties") is depth
    assert SHARE.check([depth, 0.5], "ties", 2) == (depth, 0.5)
    for wrong in (Depth((0.1, 1.9)), [Depth((0.1, 1.9)), 0.5]):
        with pytest.raises(RecipeError, match="between 0 and 1, got 1.9"):
            SHARE.check(wrong, "ties", 2)
    with pytest.raises(RecipeError):
        WORD.check(depth, "ties")


@pytest.mark.parametrize("param", [SHARE, OPEN, COUNT, WORD, FLAG, AUTO])
def test_there_is_a_bad_value_for_every_kind(param):
    with pytest.raises(RecipeError):
        param.check(param.bad_value(), "x")


def test_bounds_are_the_track_where_no_track_is_given():
    assert COUNT.to_json()["slider"] == [1, 8]
    assert OPEN.to_json()["slider"] is None
    assert Param("s", float, 1.0, Knob(slider=(-1.0, 2.0))).to_json()["slider"] == [-1.0, 2.0]
    assert AUTO.to_json()["none"] == "auto"
    assert OPEN.to_json()["none"] is None

"""Links to other people's pages: pins, and models that are not here."""

import pytest

from merger.errors import MergeError, RecipeError
from tests.unit.viz.test_session import CATALOG
from viz.links import MOST_PINS, link_card, pins_of
from viz.session import recipe_from_text

GOOD = "method: average\nbase: zoo:base\nexperts: [zoo:a, zoo:b]\n"


def _card(text: str) -> dict:
    with pytest.raises(MergeError) as caught:
        recipe_from_text(text, CATALOG)
    return link_card(caught.value, text, CATALOG)


def test_pins_come_back_as_canonical_recipes_in_order():
    other = "method: ties\nbase: zoo:base\nexperts: [zoo:c]\n"
    found = pins_of({"pins": [GOOD, other]}, CATALOG)
    assert [pin["line"] for pin in found["pins"]] == ["average of a + b", "ties of c"]
    assert recipe_from_text(found["pins"][0]["text"], CATALOG).method == "average"
    assert "left_out" not in found


@pytest.mark.parametrize("pins", [None, "x", 3, {}, [3, None, {}], []])
def test_what_is_no_list_of_texts_is_no_pin(pins: object):
    assert pins_of({"pins": pins}, CATALOG) == {"pins": []}


def test_a_pin_that_does_not_work_is_left_out_and_named():
    found = pins_of({"pins": ["method: tis", GOOD]}, CATALOG)
    assert len(found["pins"]) == 1
    assert "left out" in found["left_out"]["what"] and "tis" in found["left_out"]["why"]


def test_there_are_not_more_pins_than_a_link_may_hold():
    assert len(pins_of({"pins": [GOOD] * 50}, CATALOG)["pins"]) == MOST_PINS


def test_missing_experts_are_all_named_and_the_rest_is_offered():
    text = (
        "method: ties\nbase: zoo:base\nexperts: [zoo:a, zoo:x, zoo:c, zoo:y]\n"
        "weights: [1, 2, 3, 4]\nparams: {density: [0.1, 0.2, 0.3, 0.4]}\n"
        "rules: [{match: '*', weights: [5, 6, 7, 8]}]\nseed: 9\n"
    )
    card = _card(text)
    assert card["why"] == "Missing here: zoo:x, zoo:y."
    assert "a, b, c" in card["todo"]
    assert card["offer"]["label"] == "Open it without x, y"
    recipe = recipe_from_text(card["offer"]["text"], CATALOG)
    assert [e.name for e in recipe.experts] == ["a", "c"]
    assert recipe.weights == (1.0, 3.0) and recipe.params["density"] == (0.1, 0.3)
    assert recipe.rules[0].weights == (5.0, 7.0) and recipe.seed == 9


@pytest.mark.parametrize(
    "text",
    [
        "method: average\nbase: zoo:base\nexperts: [zoo:x]",
        "method: average\nbase: zoo:elsewhere\nexperts: [zoo:a]",
        "method: average\nbase: zoo:base\nexperts: [zoo:a, {source: zoo:x, name: x}]\n"
        "rules: [{match: '*', take: x}]",
    ],
)
def test_nothing_is_offered_where_nothing_works(text: str):
    card = _card(text)
    assert "Missing here: " in card["why"] and "offer" not in card


def test_a_card_for_a_thousand_missing_models_stays_short():
    names = ", ".join(f"zoo:{'x' * 100}{i}" for i in range(300))
    card = _card(f"method: average\nbase: zoo:base\nexperts: [{names}]")
    assert len(str(card)) < 1500 and "and 292 more" in card["why"]


def test_other_faults_are_said_as_they_are():
    card = link_card(RecipeError("No.", "Do this."), GOOD, CATALOG)
    assert card["why"] == "No." and "offer" not in card

"""Drafts of the page become recipes and back; the page is not trusted."""

import pytest

from merger import Recipe
from merger.errors import MergeError, RecipeError, SourceError
from viz.catalog import Catalog, Choice, Family, first_recipe
from viz.session import draft_of, opening, recipe_from_text, recipe_line, recipe_of

FAMILY = Family(
    id="f",
    title="Family",
    base="zoo:base",
    choices=tuple(
        Choice(f"zoo:{n}", n, n, (8, 64), ((0.5, 10), (0.9, 10))) for n in ("a", "b", "c")
    ),
    tasks=("a", "b", "c"),
)
CATALOG = Catalog((FAMILY,))


def _draft(**changes):
    return draft_of(first_recipe(FAMILY), CATALOG) | changes


def test_a_family_opens_with_its_average_and_coefficients():
    recipe = first_recipe(FAMILY)
    assert recipe.method == "task_arithmetic" and recipe.params == {"scale": 0.33}
    assert recipe_of(_draft(), CATALOG) == recipe


def test_switched_off_experts_and_coefficients_arrive_in_the_recipe():
    draft = _draft()
    draft["experts"][1]["on"] = False
    draft["experts"][2]["weight"] = 0.5
    draft["experts"][0]["step"] = 8
    recipe = recipe_of(draft, CATALOG)
    assert [(e.name, e.step) for e in recipe.experts] == [("a", 8), ("c", None)]
    assert recipe.weights == (1.0, 0.5)


def test_solo_leaves_the_others_as_they_were():
    draft = _draft(solo="b")
    assert [e.name for e in recipe_of(draft, CATALOG).experts] == ["b"]
    draft["solo"] = None
    assert len(recipe_of(draft, CATALOG).experts) == 3


@pytest.mark.parametrize(
    "text",
    [
        "method: ties\nbase: zoo:base\nexperts: [zoo:a, zoo:c]\nweights: [1, -2.5]\nseed: 3\n"
        "params: {density: [0.1, 0.2]}\nrules: [{match: '*', take: base}]",
        "method: average\nbase: zoo:base\nexperts: ['zoo:b@8']\nout_dtype: float32",
        "method: linear\nbase: zoo:base\nexperts: [zoo:a]\nweights: [{depth: [0, 1]}]",
        "method: task_arithmetic\nbase: zoo:base\nexperts: [{source: zoo:a, name: mine}]\n"
        "after: [{lines: {beta: 0.7}}]",
    ],
)
def test_a_recipe_survives_the_way_through_the_page(text: str) -> None:
    recipe = recipe_from_text(text, CATALOG)
    assert recipe_of(draft_of(recipe, CATALOG), CATALOG) == recipe


@pytest.mark.parametrize("source", ["file:/etc", "hub:o/m", "zoo:other", "zoo:a/../b", "/tmp/x"])
def test_sources_that_are_not_on_offer_are_refused(source: str) -> None:
    with pytest.raises(SourceError):
        recipe_from_text(f"method: average\nbase: zoo:base\nexperts: ['{source}']", CATALOG)


@pytest.mark.parametrize(
    "change",
    [
        {"method": 3},
        {"method": "nope"},
        {"experts": "all"},
        {"experts": [{"name": "zzz", "on": True}]},
        {"experts": [{"name": "a", "on": True, "step": 9}]},
        {"params": {"scale": "big"}},
        {"params": [1]},
        {"family": "other"},
        {"after": [{"lines": {"beta": None}}]},
    ],
)
def test_a_page_that_lies_gets_an_error(change: dict) -> None:
    with pytest.raises(MergeError):
        recipe_of(_draft(**change), CATALOG)


def test_more_than_eight_experts_are_refused():
    choices = tuple(Choice(f"zoo:{i}", f"e{i}", None, (), ()) for i in range(9))
    family = Family("g", "Many", "zoo:base", choices, ())
    rows = [{"name": f"e{i}", "on": True, "weight": 1.0} for i in range(9)]
    draft = {"family": "g", "method": "average", "experts": rows}
    with pytest.raises(RecipeError, match="at most 8"):
        recipe_of(draft, Catalog((family,)))


def test_a_broken_link_opens_the_first_merge_and_says_what_was_wrong():
    recipe, error = opening(CATALOG, "method: tis")
    assert recipe == first_recipe(FAMILY) and isinstance(error, RecipeError)
    assert opening(CATALOG, None) == (first_recipe(FAMILY), None)


def test_the_recipe_line_says_it_in_words():
    text = (
        "method: ties\nbase: zoo:base\nexperts: [zoo:a, 'zoo:b@8']\nweights: [1, 0.5]\n"
        "params: {scale: 1.5}\nafter: [lines]"
    )
    line = recipe_line(Recipe.from_yaml(text))
    assert line == "ties(scale 1.5) of a + b@8×0.5 → lines"


def _moved(draft: dict, *names: str) -> dict:
    by_name = {row["name"]: row for row in draft["experts"]}
    return draft | {"experts": [by_name[name] for name in names]}


def test_the_order_of_the_chips_is_the_order_of_the_recipe():
    draft = _moved(_draft(method="opcm", params={}), "c", "a", "b")
    draft["experts"][0]["weight"] = 0.5
    recipe = recipe_of(draft, CATALOG)
    assert [e.name for e in recipe.experts] == ["c", "a", "b"]
    assert recipe.weights == (0.5, 1.0, 1.0)
    again = recipe_from_text(recipe.to_yaml(), CATALOG)
    assert [row["name"] for row in draft_of(again, CATALOG)["experts"]] == ["c", "a", "b"]


def test_a_chip_that_is_off_keeps_its_place():
    text = "method: ema\nbase: zoo:base\nexperts: [zoo:c, zoo:a]"
    recipe = recipe_from_text(text, CATALOG)
    assert [row["name"] for row in draft_of(recipe, CATALOG)["experts"]] == ["c", "b", "a"]
    before = _moved(_draft(), "b", "a", "c")
    draft = draft_of(recipe, CATALOG, before)
    assert [(row["name"], row["on"]) for row in draft["experts"]] == [
        ("b", False), ("c", True), ("a", True),
    ]  # fmt: skip
    assert recipe_of(draft, CATALOG) == recipe


def test_lists_per_expert_follow_their_experts():
    text = (
        "method: ties\nbase: zoo:base\nexperts: [zoo:a, zoo:b, zoo:c]\n"
        "params: {density: [0.1, 0.2, 0.3]}\nrules: [{match: '*', weights: [1, 2, 3]}]"
    )
    draft = draft_of(recipe_from_text(text, CATALOG), CATALOG)
    recipe = recipe_of(_moved(draft, "c", "a", "b"), CATALOG)
    assert recipe.params["density"] == (0.3, 0.1, 0.2)
    assert recipe.rules[0].weights == (3.0, 1.0, 2.0)
    draft["experts"][1]["on"] = False
    assert recipe_of(draft, CATALOG).params["density"] == (0.1, 0.3)
    assert recipe_of(draft | {"solo": "c"}, CATALOG).params["density"] == (0.3,)


def test_two_checkpoints_of_one_model_are_not_shown_as_one():
    recipe = recipe_from_text(
        "method: ema\nbase: zoo:base\nexperts: ['zoo:a@8', {source: zoo:a, name: late}]", CATALOG
    )
    with pytest.raises(RecipeError, match="two of one"):
        draft_of(recipe, CATALOG)
    shown, error = opening(CATALOG, recipe.to_yaml())
    assert shown == first_recipe(FAMILY) and error is not None

"""Recipes in words."""

import doctest

import pytest

from merger import words
from merger.recipe import Recipe
from merger.words import recipe_in_words


def said(**data):
    plain = {"method": "ties", "base": "zoo:base", "experts": ["zoo:a", "zoo:b"]} | data
    return recipe_in_words(Recipe.from_json(plain))


def test_the_examples_hold():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "TIES of a and b"),
        ({"weights": [1, -0.25]}, "TIES of a and -0.25 × b"),
        (
            {"weights": [{"depth": [0, 1]}, 1]},
            "TIES of (0 to 1 over depth) × a and b",
        ),
        ({"params": {"density": 0.2}}, "TIES of a and b"),
        ({"params": {"trim": "tensor", "scale": 0.5}}, "scale 0.5 and trim tensor"),
        ({"params": {"dialect": "peft"}}, "with dialect peft"),
        ({"after": [{"lines": {"beta": 0.25}}]}, "then LiNeS (beta 0.25)"),
        ({"rules": [{"match": "*.norm.*", "take": "base"}]}, "1 rule by tensor name"),
        ({"out_dtype": "float32", "seed": 7}, "saved as float32, seed 7"),
    ],
)
def test_a_recipe_says_what_is_not_its_default(data, words):
    assert words in said(**data)
    assert not said(**data).endswith(".")


def test_experts_that_a_method_has_no_place_for_are_not_named():
    assert said(method="slerp", experts=["zoo:a", "zoo:b", "zoo:c"]) == "SLERP of a and b"

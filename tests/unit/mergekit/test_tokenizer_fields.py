"""mergekit's tokenizer fields, there and back."""

import pytest
import yaml

from merger.errors import RecipeError
from merger.mergekit import export_mergekit, import_mergekit
from merger.recipe import Expert, Recipe
from merger.tokenizer_choice import build_tokenizer

TOKENS = {
    "<a>": {"source": "zero"},
    "<b>": {"source": "one", "force": True},
    "<c>": {"source": "one", "token": "x"},
    "<d>": {"source": "base", "token_id": 3},
}


def recipe(tokenizer) -> Recipe:
    return Recipe("linear", (Expert("file:/m/one", "one"),), base="file:/m/base",
                  tokenizer=build_tokenizer(tokenizer))  # fmt: skip


def test_tokens_of_every_kind_come_back_with_the_models_they_name():
    made = recipe({"source": "union", "tokens": TOKENS, "pad_to_multiple_of": 64})
    text = export_mergekit(made).text
    said = yaml.safe_load(text)["tokenizer"]
    assert said["source"] == "union" and said["pad_to_multiple_of"] == 64
    assert said["tokens"] == {
        "<a>": {"source": {"kind": "zero"}},
        "<b>": {"source": "/m/one", "force": True},
        "<c>": {"source": {"kind": "model_token", "model": "/m/one", "token": "x"}},
        "<d>": {"source": {"kind": "model_token", "model": "/m/base", "token_id": 3}},
    }
    (back,) = import_mergekit(text)
    tokens = back.recipe.tokenizer.tokens
    assert tokens["<c>"].source == "file:/m/one" and tokens["<d>"].source == "file:/m/base"
    assert export_mergekit(back.recipe).text == text


def test_a_forced_token_without_a_source_is_refused_as_mergekit_would_stop_there():
    with pytest.raises(RecipeError, match="choose by itself where '<e>' comes from"):
        export_mergekit(recipe({"tokens": {"<e>": {"force": True}}}))

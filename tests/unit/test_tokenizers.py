"""Whose tokenizer a merge gets: what a recipe may say, what is copied, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merger import Recipe, merge
from merger.chat_templates import template_of
from merger.doctor import doctor
from merger.errors import AlignmentError, RecipeError
from merger.recipe import Expert
from merger.sources import open_source
from merger.tokenizer_choice import TokenizerChoice, build_tokenizer
from merger.vocabulary import read_vocabulary
from tests.builders import build_llama_family

TEMPLATE = "{% for m in messages %}{{ m.content }}\n{% endfor %}"


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A family in which beta's tokenizer has a chat template, and gamma another word."""
    folder = build_llama_family(tmp_path / "family")
    (folder / "beta" / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    path = folder / "gamma" / "tokenizer.json"
    table = json.loads(path.read_text("utf-8"))
    table["model"]["vocab"]["extra"] = 258
    path.write_text(json.dumps(table), "utf-8")
    return folder


def recipe(folder: Path, tokenizer, experts=("alpha", "beta")) -> Recipe:
    named = tuple(Expert(f"file:{folder}/{name}", name) for name in experts)
    return Recipe("linear", named, tokenizer=build_tokenizer(tokenizer))


@pytest.mark.parametrize("source", ["beta", "file"])
def test_a_models_tokenizer_is_copied_with_its_chat_template(llama, tmp_path, source):
    named = f"file:{llama}/beta" if source == "file" else source
    made = recipe(llama, {"source": named})
    assert doctor(made).is_well
    out = merge(made, tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (llama / "beta" / name).read_bytes()
    assert Recipe.load(out / "recipe.yaml").tokenizer == TokenizerChoice(source=named)


@pytest.mark.parametrize("source", ["base", "union", None])
def test_a_union_of_equal_vocabularies_is_the_first_ones(llama, tmp_path, source):
    out = merge(recipe(llama, {"source": source, "pad_to_multiple_of": 2}), tmp_path / "out")
    assert (out / "tokenizer.json").read_bytes() == (
        llama / "alpha" / "tokenizer.json"
    ).read_bytes()
    assert not (out / "chat_template.jinja").exists()


@pytest.mark.parametrize(
    ("tokenizer", "experts", "expected"),
    [
        ({"source": "file:/x"}, ("alpha",), "none of the models that are merged"),
        ({"tokens": {"<s>": {"source": "delta"}}}, ("alpha",), "<s>: delta is none of the models"),
        ({"chat_template": "chatml"}, ("alpha",), "'chatml' is not here"),
    ],
)
def test_what_is_not_there_is_refused_by_doctor_and_merge(
    llama, tmp_path, tokenizer, experts, expected
):
    made = recipe(llama, tokenizer, experts)
    with pytest.raises(AlignmentError, match=expected):
        merge(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = doctor(made)
    assert not report.is_well and any(p.where == "recipe" for p in report.problems)


def test_ids_without_a_row_are_refused_and_the_words_say_how_to_add_rows(llama, tmp_path):
    """The tokenizer of gamma knows a word for which nobody has a row."""
    made = recipe(llama, None, ("gamma", "alpha"))
    expected = "gives extra the id 258, and the embedding has 258 rows"
    with pytest.raises(AlignmentError, match=expected) as caught:
        merge(made, tmp_path / "out")
    assert "{source: base}" in caught.value.hint
    assert not doctor(made).is_well
    out = merge(recipe(llama, {"source": "base"}, ("gamma", "alpha")), tmp_path / "out")
    rows = open_source(f"file:{out}").read("model.embed_tokens.weight").reshape(-1, 16)
    assert len(rows) == 259 and not rows[258].any()
    assert json.loads((out / "config.json").read_text("utf-8"))["vocab_size"] == 259
    gamma = llama / "gamma" / "tokenizer.json"
    assert (out / "tokenizer.json").read_bytes() == gamma.read_bytes()


def test_a_model_without_a_tokenizer_has_none_to_copy(llama, tmp_path):
    bare = llama / "bare"
    shutil.copytree(llama / "alpha", bare)
    for path in bare.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(AlignmentError, match="bare has no tokenizer to copy"):
        merge(recipe(llama, {"source": "bare"}, ("alpha", "bare")), tmp_path / "out")
    assert read_vocabulary(bare) is None
    merge(recipe(llama, {"source": "alpha"}, ("bare", "alpha")), tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_templates_are_written_taken_from_most_models_or_left(llama, tmp_path):
    out = merge(recipe(llama, {"chat_template": TEMPLATE}), tmp_path / "own")
    assert template_of(out) == TEMPLATE.strip()
    out = merge(recipe(llama, {"chat_template": "auto"}), tmp_path / "auto")
    assert template_of(out) == TEMPLATE.strip()
    out = merge(recipe(llama, {"chat_template": "auto"}, ("alpha",)), tmp_path / "none")
    assert template_of(out) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("union", "must be a mapping"),
        ({"sauce": "union"}, "Did you mean 'source'"),
        ({"source": 3}, "source must be a text"),
        ({"source": "a\nb"}, "control characters"),
        ({"pad_to_multiple_of": 0}, "must be 1 or more"),
        ({"pad_to_multiple_of": True}, "must be 1 or more"),
        ({"tokens": [1]}, "tokens must map"),
        ({"tokens": {"a": 1}}, "must be a mapping"),
        ({"tokens": {"a": {"source": "x", "token": "b", "token_id": 1}}}, "both token and"),
        ({"tokens": {"a": {"token": "b"}}}, "need a source"),
        ({"tokens": {"a": {"token_id": "b", "source": "x"}}}, "whole number"),
        ({"tokens": {"a": {"force": 1}}}, "true or false"),
        ({"chat_template": "a\x00b"}, "control characters"),
    ],
)
def test_the_field_is_checked(value, expected):
    with pytest.raises(RecipeError, match=expected) as caught:
        build_tokenizer(value)
    assert caught.value.message


def test_nothing_said_is_nothing():
    assert build_tokenizer({}) is None
    plain = Recipe.from_yaml("method: linear\nexperts: [zoo:a]\n")
    assert "tokenizer" not in plain.to_json()
    said = Recipe.from_yaml("method: linear\nexperts: [zoo:a]\ntokenizer: {source: base}\n")
    assert said.digest() != plain.digest()


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
TEXT = st.text(st.one_of(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")),
                         st.sampled_from("\n\t ")), min_size=1).filter(str.strip)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        WORD,
        st.sampled_from([{}, {"source": "zero", "force": True}, {"source": "a", "token_id": 3}]),
        max_size=3,
    ),
    TEXT,
)
def test_any_token_and_template_survives_a_saved_recipe(tokens, template):  # fmt: skip
    made = Recipe(
        "linear", (Expert("zoo:a", "a"),),
        tokenizer=build_tokenizer({"tokens": tokens, "chat_template": template}),
    )  # fmt: skip
    assert Recipe.from_yaml(made.to_yaml()) == made

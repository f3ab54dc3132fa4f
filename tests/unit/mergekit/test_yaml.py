"""Anchors, aliases and merge keys in configurations: written out, and never more than a bound."""

import pytest
import yaml

from merger.errors import RecipeError
from merger.mergekit import export_mergekit, import_mergekit
from merger.mergekit.yaml import MAX_DEPTH, MAX_NODES, parse_configurations
from merger.recipe import Recipe

SHARED = """
merge_method: ties
base_model: org/base
models:
- model: org/a
  parameters: &usual {weight: 0.5, density: 0.4}
- model: org/b
  parameters: *usual
- model: org/c
  parameters: {<<: *usual, weight: 0.1}
"""


def test_what_is_shared_is_what_is_written_out():
    (found,) = import_mergekit(SHARED)
    (plain,) = import_mergekit(yaml.safe_dump(yaml.safe_load(SHARED)))
    assert found == plain
    assert found.recipe.weights == (0.5, 0.5, 0.1)
    assert found.recipe.params["density"] == 0.4


def test_several_mappings_are_merged_first_come_first():
    text = "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n"
    assert parse_configurations(text)[0]["c"] == {"x": 1, "y": 2, "z": 3}


def laughs(levels: int, width: int = 10, form: str = "[{}]") -> str:
    lines = ["a0: &a0 {k: v}"]
    for i in range(1, levels):
        inner = form.format(", ".join([f"*a{i - 1}"] * width))
        lines.append(f"a{i}: &a{i} {inner}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (laughs(12), f"more than {MAX_NODES:,} entries"),
        (laughs(12, form="{{<<: [{}]}}"), f"more than {MAX_NODES:,} entries"),
        (laughs(60, 1), f"nests more than {MAX_DEPTH} deep"),
        ("a: " + "[" * 60 + "]" * 60, f"nests more than {MAX_DEPTH} deep"),
        ("a: &a [*a]", "stands inside its own anchor"),
        ("a: &a {b: *a}", "stands inside its own anchor"),
        ("a: *nothing", "undefined alias"),
        ("a: &a !!python/none x", "must not use YAML tags"),
        ("a: {<<: 3}", "Not valid YAML"),
        ("a: {b: 1, b: 2}", "stands twice"),
        ("[" * 100_000, "Not valid YAML"),
    ],
)
def test_what_grows_without_bound_is_refused(text, expected):
    with pytest.raises(RecipeError, match=expected):
        parse_configurations(text)


def test_recipes_have_no_anchors():
    with pytest.raises(RecipeError, match="anchors"):
        Recipe.from_yaml("method: linear\nexperts: &a [zoo:a]\n")


TOKENIZERS = [
    "tokenizer_source: union",
    "tokenizer_source: base\nchat_template: auto",
    "tokenizer_source: org/a",
    "chat_template: chatml",
    'chat_template: "{% for m in messages %}\\n{{ m.content }}{% endfor %}"',
    "tokenizer: {source: org/b, pad_to_multiple_of: 64}",
    "tokenizer: {source: base, tokens: {<s>: {source: {kind: zero}}, x: {source: org/a, "
    "force: true}, y: {source: {kind: model_token, model: org/b, token: <z>}}, z: {source: {kind: "
    "model_token, model: org/b, token_id: 3}}, w: {}}}",
]


@pytest.mark.parametrize("lines", TOKENIZERS)
def test_tokenizer_fields_go_in_and_out_unchanged(lines):
    (found,) = import_mergekit(SHARED + lines)
    assert Recipe.from_yaml(found.recipe.to_yaml()) == found.recipe
    written = yaml.safe_load(export_mergekit(found.recipe).text)
    expected = yaml.safe_load(lines)
    assert {key: written[key] for key in expected} == expected
    (again,) = import_mergekit(yaml.safe_dump(written))
    assert again.recipe.tokenizer == found.recipe.tokenizer


def test_a_tokenizer_without_a_source_is_a_union():
    (found,) = import_mergekit(SHARED + "tokenizer: {pad_to_multiple_of: 8}")
    assert found.recipe.tokenizer is not None and found.recipe.tokenizer.source == "union"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("tokenizer_source: base\ntokenizer: {source: base}", "got both"),
        ("tokenizer: 3", "tokenizer must be a mapping"),
        ("tokenizer: {tokens: [a]}", "tokens must be a mapping"),
        ("tokenizer: {tokens: {a: {source: {kind: mean}}}}", "no kind 'mean'"),
        ("tokenizer: {pad_to_multiple_of: x}", "must be 1 or more"),
    ],
)
def test_tokenizer_fields_that_mean_nothing_are_refused(lines, expected):
    with pytest.raises(RecipeError, match=expected):
        import_mergekit(SHARED + lines)

"""Recipes: text in, canonical text out, clear words for what is wrong, one digest per merge."""

import pytest

from merger import METHODS, Recipe
from merger.errors import RecipeError
from merger.recipe import Depth, Expert
from merger.recipe_schema import default_name

FULL = """\
version: 1
method: ties
base: zoo:base
experts:
- zoo:mnist
- {source: 'zoo:fashion', name: 'no', step: 256}
weights: [1.0, {depth: [0.0, 0.001]}]
params:
  density: 0.3
  scale: 1.5
rules:
- {match: '*.attention.*', density: 0.5}
after:
- {lines: {beta: 0.5}}
out_dtype: float32
seed: 7
"""


def test_canonical_text_is_a_fixed_point():
    recipe = Recipe.from_yaml(FULL)
    assert recipe.to_yaml() == FULL
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_words_of_old_yaml_stay_words_and_numbers_stay_numbers():
    recipe = Recipe.from_yaml(FULL)
    assert recipe.experts[1] == Expert("zoo:fashion", "no", 256)
    assert recipe.weights == (1.0, Depth((0.0, 0.001)))
    assert Recipe.from_yaml("method: average\nexperts: [zoo:a]\nseed: 12").seed == 12
    scale = "method: task_arithmetic\nbase: zoo:base\nexperts: [zoo:a]\nparams: {scale: 1e-3}"
    assert Recipe.from_yaml(scale).params["scale"] == 0.001


@pytest.mark.parametrize("number", [1e-05, 1e-12, -1e-30, 5e-324, 1e16, 1e38, 1.5e-07, 0.1, -2.0])
def test_a_number_of_any_size_comes_back_from_the_text(number):
    recipe = Recipe("task_arithmetic", (Expert("zoo:a", "a"),), "zoo:b", None, {"scale": number})
    text = recipe.to_yaml()
    assert "!" not in text
    assert Recipe.from_yaml(text).params["scale"] == number


@pytest.mark.parametrize("name", sorted(m.name for m in METHODS.values() if m.stage == "merge"))
def test_every_setting_that_is_filled_in_comes_back_from_the_text(name):
    method = METHODS.find(name)
    low, _ = method.experts
    experts = tuple(Expert(f"zoo:{i}", f"e{i}") for i in range(max(2, low)))
    recipe = Recipe(method.name, experts[: method.experts[1]], base="zoo:base").resolved()
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_a_step_in_the_source_is_the_step():
    inline = Recipe.from_yaml("method: average\nexperts: ['zoo:mnist@256']")
    assert inline.experts == (Expert("zoo:mnist", "mnist", 256),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method: tis\nexperts: [zoo:a]", "Did you mean 'ties'?"),
        ("method: ties\nexprts: [zoo:a]", "Did you mean 'experts'?"),
        ("method: ties\nbase: zoo:b\nexperts: [zoo:a]\nparams: {densty: 1}", "'density'"),
        ("method: ties\nbase: zoo:b\nexperts: [zoo:a]\nparams: {density: 1.5}", "1.5"),
        ("method: average\nexperts: []", "at least 1 expert, got 0"),
        ("method: slerp\nexperts: [zoo:a]", "at least 2 experts, got 1"),
        ("method: average\nexperts: [zoo:a, zoo:a]", "same name"),
        ("method: linear\nexperts: [zoo:a]\nweights: [1, 2]", "one number per expert (1), got 2"),
        ("method: linear\nexperts: [zoo:a]\nweights: [.nan]", "finite"),
        ("method: average\nexperts: [zoo:a]\nmethod: ties", "stands twice"),
        ("a: &x 1\nb: *x", "anchors"),
        ("a: !!python/object:os.system 1", "tags"),
        ("[" * 100_000, "YAML"),
        ("method: [", "line 1"),
        ("hello", "mapping"),
        ("x" * 1_000_001, "1,000,000"),
        ("method: average\nexperts: [zoo:a]\nseed: -1", "seed"),
        ("method: average\nexperts: [zoo:a]\nversion: 2", "version must be 1"),
        ("method: average\nexperts: [zoo:a]\nout_dtype: floa16", "Did you mean 'float16'?"),
        ("method: average\nexperts: [zoo:a]\nrules: [{match: '*', take: c}]", "'base'"),
        ("method: average\nexperts: [zoo:a]\nafter: [{lins: {}}]", "Did you mean 'lines'?"),
        ('method: average\nexperts: ["a\\u0007b"]', "control characters"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(text: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text)
    assert words in str(caught.value)


def test_a_huge_or_missing_file_is_refused(tmp_path):
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a" * 10_000_000)
    with pytest.raises(RecipeError, match="10,000,000"):
        Recipe.load(big)
    with pytest.raises(RecipeError, match="no recipe file"):
        Recipe.load(tmp_path / "none.yaml")


def test_depth_joins_its_values_by_lines():
    depth = Depth((0.0, 1.0, 4.0))
    assert [depth.at(u) for u in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.0, 0.5, 1.0, 2.5, 4.0]
    assert Depth((2.0,)).at(0.7) == 2.0


def test_the_digest_names_the_merge_and_not_its_spelling():
    short = Recipe.from_yaml("method: ties\nbase: zoo:b\nexperts: [zoo:a]")
    spelled = Recipe.from_yaml(
        "method: ties\nbase: zoo:b\nexperts: [{source: zoo:a, name: a}]\nweights: [1]\n"
        "params: {density: 0.2, dialect: paper}\nseed: 0"
    )
    assert short.digest() == spelled.digest()
    ids = {"zoo:a": "1" * 32, "zoo:b": "2" * 32}
    moved = Recipe.from_yaml("method: ties\nbase: file:y\nexperts: [{source: file:x, name: a}]")
    assert short.digest(ids) == moved.digest({"file:x": "1" * 32, "file:y": "2" * 32})
    assert short.digest(ids) != short.digest({**ids, "zoo:a": "3" * 32})
    other = Recipe.from_yaml("method: ties\nbase: zoo:b\nexperts: [zoo:a]\nparams: {density: 0.3}")
    assert other.digest() != short.digest()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("zoo:mnist", "mnist"),
        ("zoo:mnist@256", "mnist"),
        ("hub:org/model@main", "model"),
        ("file:/a/b c/", "b c"),
        ("models/x", "x"),
    ],
)
def test_a_name_is_the_last_part_of_its_source(source: str, name: str) -> None:
    assert default_name(source) == name

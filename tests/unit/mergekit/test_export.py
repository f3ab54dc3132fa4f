"""Recipes as mergekit configurations: what is written, what is refused, and the way back."""

import pytest
import yaml

from merger.errors import RecipeError
from merger.mergekit import export_mergekit, import_mergekit
from merger.mergekit.table import KINDS
from merger.recipe import Depth, Expert, Recipe, Rule, Step
from merger.spec import METHODS

EXPERTS = (Expert("hub:org/a", "a"), Expert("file:/models/b", "b"))


def recipe(method: str = "ties", **options) -> Recipe:
    params = dict(options.pop("params", {}))
    if "dialect" in {p.name for p in METHODS[method].params}:
        params = {"dialect": "mergekit", **params}
    count = METHODS[method].experts[1] or 2
    defaults = {"experts": EXPERTS[:count], "base": "hub:org/base", "out_dtype": "bfloat16"}
    return Recipe(method, params=params, **(defaults | options))


def written(made: Recipe, **options) -> dict:
    return yaml.safe_load(export_mergekit(made, **options).text)


def test_everything_that_versions_of_mergekit_differ_in_is_written_out():
    found = written(recipe(params={"density": (0.4, 0.7)}, weights=(1.0, Depth((0.0, 1.0)))))
    assert found == {
        "merge_method": "ties",
        "base_model": "org/base",
        "models": [
            {"model": "org/a", "parameters": {"weight": 1.0, "density": 0.4}},
            {"model": "/models/b", "parameters": {"weight": [0.0, 1.0], "density": 0.7}},
        ],
        "parameters": {"rescale": False, "normalize": True, "lambda": 1.0},
        "dtype": "float32",
        "out_dtype": "bfloat16",
    }


def test_rules_become_filters():
    rules = (Rule("*mlp*", weights=(0.2, 1.0)), Rule("*[*]up*", params={"scale": 0.5}))
    found = written(recipe(rules=rules))
    assert found["models"][0]["parameters"]["weight"] == [
        {"filter": "mlp", "value": 0.2}, {"filter": "*up", "value": 1.0}, {"value": 1.0},
    ]  # fmt: skip
    assert found["parameters"]["lambda"] == [
        {"filter": "mlp", "value": 1.0}, {"filter": "*up", "value": 0.5}, {"value": 1.0},
    ]  # fmt: skip
    assert found["parameters"]["normalize"] is True


@pytest.mark.parametrize("method", sorted(KINDS))
def test_what_is_exported_comes_back_unchanged(method):
    options: dict = {"weights": (0.5, 0.25)} if "weight" in KINDS[method].names else {}
    if method == "model_stock":
        options["params"] = {"clamp": False}
    made = recipe(method, **options)
    text = export_mergekit(made).text
    (back,) = import_mergekit(text)
    if made.base not in (back.recipe.base, None):
        # mergekit's base is one of the models here, or none at all.
        assert KINDS[method].base != "required"
    again = export_mergekit(back.recipe).text
    assert again == text
    resolved = back.recipe.resolved().params
    for name, value in made.resolved().params.items():
        assert resolved[name] == value, name


def test_an_adapter_stands_behind_its_base():
    made = recipe(experts=(Expert("lora:adapters/x", "x"),))
    assert written(made)["models"][0]["model"] == "org/base+adapters/x"


def test_slerp_names_its_first_expert_as_the_base():
    found = written(recipe("slerp", base=None, params={"t": Depth((0.0, 1.0))}))
    assert found["base_model"] == "org/a" and found["parameters"]["t"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (recipe("magmax"), "mergekit has no magmax"),
        (recipe(after=(Step("lines"),)), "no verbs after the method"),
        (recipe(params={"trim": "global"}), "trim is global, and mergekit ranks within tensors"),
        (recipe(params={"elect": "count"}), "elect is count"),
        (recipe(params={"combine": "max"}), "combine is max"),
        (recipe(params={"ballots": "equal"}, weights=(1.0, 2.0)), "ballots is equal"),
        (recipe(params={"combine": "mean"}, weights=(1.0, 2.0)), "combine is mean"),
        (recipe("dare_linear", params={"rescale": "inverse"}), "rescale is inverse"),
        (recipe("dare_ties", params={"keep_share": 0.2}), "keep_share is 0.2"),
        (recipe("sce", params={"select": "weights"}), "select is weights"),
        (recipe("sce", weights=(1.0, 0.5)), "knows no weights"),
        (recipe("ram", params={"scale": 0.5}), "scale is 0.5"),
        (recipe(experts=(Expert("zoo:mnist", "m", 256),)), "cannot read 'mnist' from zoo:"),
        (recipe(rules=(Rule("mlp.*", params={"scale": 1.0}),)), "cannot match 'mlp"),
        (recipe(rules=(Rule("*mlp*", take="base"),)), "cannot take"),
    ],
)
def test_what_mergekit_cannot_do_is_refused_with_the_reason(made, expected):
    with pytest.raises(RecipeError, match=expected):
        export_mergekit(made)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (recipe(params={"tie": "majority"}), "Where votes cancel exactly, mergekit elects plus."),
        (recipe("sce", params={"floor": 0.0}), "Where mean squares add up to less than 1e-6"),
        (recipe("model_stock"), "Where the mean cosine is negative, mergekit steps back."),
        (recipe(out_dtype=None), "mergekit computes and writes in the dtype of the models"),
        (recipe("dare_ties", seed=7), "Pass --random-seed to mergekit"),
    ],
)
def test_where_results_may_differ_is_noted(made, expected):
    assert any(f.what.startswith(expected) for f in export_mergekit(made).findings)

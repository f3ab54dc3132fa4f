"""mergekit configurations as recipes: values, precedence, filters, models, and what is refused."""

from pathlib import Path

import pytest

from merger.errors import RecipeError
from merger.mergekit import Imported, import_mergekit
from merger.mergekit.table import KINDS
from merger.recipe import Depth, Expert, Recipe, Rule
from merger.spec import METHODS

TIES = """
merge_method: ties
base_model: org/base
models:
- {model: org/a, parameters: {weight: 0.5, density: 0.4}}
- {model: org/b, parameters: {weight: [0, 0.3, 1]}}
parameters: {density: 0.7, normalize: false, lambda: 1e-1}
"""


def one(text: str, **options) -> Imported:
    (found,) = import_mergekit(text, **options)
    return found


def told(found: Imported, severity: str = "trap") -> list[str]:
    return [f.what for f in found.findings if f.severity == severity]


def config(method: str, parameters: str = "{}", models: str = "[org/a, org/b]") -> str:
    return (
        f"merge_method: {method}\nbase_model: org/base\nmodels: {models}\n"
        f"parameters: {parameters}\n"
    )


WEIGHED = "[{model: org/a, parameters: {weight: 1}}, {model: org/b, parameters: {weight: 0.5}}]"


def test_every_method_of_mergekit_is_one_of_ours():
    assert set(KINDS) <= set(METHODS) and len(KINDS) == 20


def test_values_come_from_the_most_particular_place():
    recipe = one(TIES).recipe
    assert recipe.method == "ties" and recipe.base == "hub:org/base"
    assert recipe.experts == (Expert("hub:org/a", "a"), Expert("hub:org/b", "b"))
    assert recipe.weights == (0.5, Depth((0.0, 0.3, 1.0)))
    params = recipe.resolved().params
    assert params["density"] == (0.4, 0.7) and params["combine"] == "sum"
    assert params["scale"] == 0.1 and params["trim"] == "tensor" and params["tie"] == "plus"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("task_arithmetic", {"scale": 1.0, "normalize": False}),
        ("ties", {"combine": "weighted", "scale": 1.0, "density": 1.0, "trim": "tensor"}),
        ("dare_linear", {"rescale": "l1", "scale": 1.0, "density": 1.0}),
        ("dare_ties", {"rescale": "l1", "combine": "sum", "keep_share": 1.0}),
        ("della", {"rescale": "l1", "combine": "weighted", "epsilon": 0.15}),
        ("della_linear", {"rescale": "l1", "scale": 1.0, "epsilon": 0.15}),
        ("breadcrumbs", {"trim": "tensor", "gamma": 0.01, "scale": 1.0}),
        ("breadcrumbs_ties", {"trim": "tensor", "combine": "sum", "scale": 1.0}),
    ],
)
def test_what_is_not_said_has_mergekits_default(method, expected):
    params = one(config(method, models=WEIGHED)).recipe.resolved().params
    assert {name: params[name] for name in expected} == expected


def test_the_base_among_the_models_is_no_expert_of_task_vectors():
    models = "[org/base, {model: org/a, parameters: {weight: 1}}]"
    recipe = one(config("task_arithmetic", models=models)).recipe
    assert [e.source for e in recipe.experts] == ["hub:org/a"]


def test_slerp_begins_at_the_base_whatever_the_order():
    text = config("slerp", "{t: [0, 1]}", "[org/a, org/base]")
    recipe = one(text).recipe
    assert [e.source for e in recipe.experts] == ["hub:org/base", "hub:org/a"]
    assert recipe.params["t"] == Depth((0.0, 1.0))


def test_filters_become_rules_in_their_order():
    text = config(
        "slerp",
        "{t: [{filter: self_attn, value: [0, 0.5]}, {filter: 'm[lp', value: 0.1}, {value: 0.3}]}",
        "[org/base, org/a]",
    )
    recipe = one(text).recipe
    assert recipe.params["t"] == 0.3
    assert recipe.rules == (
        Rule("*self_attn*", params={"t": Depth((0.0, 0.5))}),
        Rule("*m[[]lp*", params={"t": 0.1}),
    )


def test_a_filter_of_one_model_changes_its_coefficient_alone():
    models = (
        "[{model: org/a, parameters: {weight: [{filter: mlp, value: 0.2}, {value: 1}]}},"
        " {model: org/b, parameters: {weight: 0.5}}]"
    )
    recipe = one(config("ties", models=models)).recipe
    assert recipe.weights == (1.0, 0.5)
    assert recipe.rules == (Rule("*mlp*", weights=(0.2, 0.5)),)


OVERLAP = (
    "[{model: org/a, parameters: {weight: [{filter: mlp, value: 0.2}, {value: 1}],"
    " density: [{filter: up, value: 0.3}, {value: 0.9}]}}]"
)


def test_filters_that_overlap_are_told_apart_by_the_tensors_there_are():
    names = ["l.0.mlp.up", "l.0.mlp.down", "l.0.mlp.gate", "l.0.attn.up", "norm"]
    recipe = one(config("ties", models=OVERLAP), tensor_names=lambda source: names).recipe
    assert recipe.rules == (
        Rule("l.0.mlp.up", weights=(0.2,), params={"density": 0.3}),
        Rule("*mlp*", weights=(0.2,)),
        Rule("*up*", params={"density": 0.3}),
    )
    with pytest.raises(RecipeError, match="cannot be told without the models"):
        one(config("ties", models=OVERLAP))


def test_a_filter_that_matches_nothing_is_named_and_left_out():
    found = one(
        config("slerp", "{t: [{filter: mpl, value: 0}, {value: 1}]}", "[org/base, org/a]"),
        tensor_names=lambda source: ["mlp.up"],
    )
    assert found.recipe.rules == () and "No tensor is left for the filter 'mpl'." in told(found)


def test_raw_mode_takes_the_first_value_of_a_list():
    found = one(TIES, raw=True)
    assert found.recipe.weights == (0.5, 0.0)
    assert "mergekit-pytorch knows no layers, and takes the first value of a list." in told(found)


@pytest.mark.parametrize("with_base", [True, False])
def test_methods_with_an_optional_base_work_on_task_vectors_if_there_is_one(with_base):
    text = config("nuslerp", "{nuslerp_flatten: no, nuslerp_row_wise: yes}", WEIGHED)
    text = text if with_base else text.replace("base_model: org/base\n", "")
    params = one(text).recipe.resolved().params
    assert params["axis"] == "columns"
    assert params["space"] == ("task_vectors" if with_base else "weights")


def test_normalised_sums_become_coefficients_that_add_up_to_one():
    recipe = one(config("dare_linear", "{normalize: true}", WEIGHED)).recipe
    assert recipe.weights == pytest.approx((2 / 3, 1 / 3))


def test_one_slice_over_all_layers_is_a_plain_merge():
    text = (
        "merge_method: slerp\nbase_model: org/a\nparameters: {t: 0.2}\nslices:\n- sources:\n"
        "  - {model: org/a, layer_range: [0, 2]}\n  - {model: org/b, layer_range: [0, 2]}\n"
    )
    names = ["layers.0.w", "layers.1.w"]
    whole = one(text, tensor_names=lambda source: names).recipe
    assert whole.params["t"] == 0.2
    assert [e.source for e in whole.experts] == ["hub:org/a", "hub:org/b"]
    part = one(text, tensor_names=lambda source: [*names, "layers.2.w"]).recipe
    assert part.experts[1] == Expert('layers:[["hub:org/b",0,2]]', "b")
    assert one(text).recipe == part


def test_stages_become_recipes_that_build_on_each_other():
    text = "name: one\n" + config("linear", models=WEIGHED).replace("base_model: org/base\n", "")
    text += "---\n" + config("ties", models="[{model: one, parameters: {weight: 1}}]")
    first, last = import_mergekit(text)
    assert first.name == "one" and first.recipe.method == "linear"
    assert last.recipe.experts == (Expert("recipe:one.yaml", "one"),)
    with pytest.raises(RecipeError, match="Document 1 of 2 needs a name"):
        import_mergekit(text.replace("name: one\n", ""))


def test_folders_hub_names_and_adapters_become_sources(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "adapter").mkdir()
    models = (
        "[{model: mine, parameters: {weight: 1}}, {model: org/b@v1, parameters: {weight: 1}},"
        " {model: org/base+adapter, parameters: {weight: 1}}]"
    )
    recipe = one(config("ties", models=models), folder=tmp_path).recipe
    assert [e.source for e in recipe.experts] == ["file:mine", "hub:org/b@v1", "lora:adapter"]
    with pytest.raises(RecipeError, match="is on another model than base_model"):
        one(config("ties", models="[org/b+adapter]"), folder=tmp_path)
    hub = "[{model: org/base+org/lora@v2, parameters: {weight: 1}}]"
    (expert,) = one(config("ties", models=hub)).recipe.experts
    assert expert.source == "lora:hub:org/lora@v2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config("ties", models=WEIGHED) + "paramters: {}\n", "mergekit ignores 'paramters'."),
        (config("ties", "{densty: 1}", WEIGHED), "mergekit ignores 'densty'."),
        (
            config("ties", models="[{model: org/a, parameters: {weight: 1, lambda: 2}}]"),
            "lambda is one for all models, and has no effect here.",
        ),
        (
            config("karcher"),
            "base_model joins the mean, though models does not list it.",
        ),
        (
            config("task_arithmetic", "{density: 0.5}", WEIGHED),
            "task_arithmetic ignores density.",
        ),
        (
            config("ties", "{density: [1, 0.5]}", WEIGHED),
            "lm_head, embeddings and the final norm take the first value of a list.",
        ),
        (
            config("linear", models=WEIGHED).replace("base_model: org/base\n", ""),
            "Without base_model mergekit takes config and tokenizer from any of the models, "
            "another one each run; here they come from the first.",
        ),
        (
            config("ties", models="[{model: org/base, parameters: {weight: 1}}, org/a]").replace(
                "parameters: {}", "parameters: {weight: 1}"
            ),
            "Parameters of the base have no effect.",
        ),
    ],
)
def test_what_mergekit_passes_over_is_named(text, expected):
    assert expected in told(one(text))


def test_a_configuration_taken_for_a_recipe_is_told_so():
    with pytest.raises(RecipeError, match="mergekit configuration, not a recipe") as caught:
        Recipe.from_yaml(TIES)
    assert "import-mergekit" in caught.value.hint


def test_near_misses_are_named():
    found = one(config("ties", "{densty: 1}", WEIGHED))
    assert "Did you mean 'density'?" in [f.remedy for f in found.findings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1", "must be a mapping"),
        (config("dare-ties"), "mergekit has no merge_method 'dare-ties'. Did you mean 'dare_ties"),
        (config("ties").replace("models", "modles"), "exactly one of models, slices and modules"),
        (config("ties"), "weight is missing"),
        (config("linear", models=WEIGHED), "models does not list it"),
        (config("slerp", "{t: 0.5}"), "slerp needs base_model to be one"),
        (config("slerp", models="[org/base, org/a]"), "t is missing"),
        (config("model_stock", models="[org/a]"), "takes at least 2 models beside the base, got"),
        (config("nearswap", "{t: 1}"), "takes 1 model beside the base, got 2"),
        (config("ties", "{rescale: true}", WEIGHED), "rescale: true after a trim"),
        (config("ties", "{normalize: maybe}", WEIGHED), "normalize must be true or false"),
        (config("ties", "{lambda: much}", WEIGHED), "lambda must be a number"),
        (config("ties", "{normalize: [true, false]}", WEIGHED), "changes with depth"),
        (config("ties", "{density: 1.5}", WEIGHED), "density must be between 0 and 1"),
        (config("della", "{density: 0.9}", WEIGHED), "mergekit stops there too"),
        (config("model_stock", "{filter_wise: true}"), "filter_wise: true has no counterpart"),
        (config("ties", models=WEIGHED) + "dtype: int8\n", "dtype must be one of"),
        (config("ties").replace("base_model: org/base\n", ""), "ties needs base_model"),
        (config("ties", models="[a b]"), "neither a folder nor a name"),
        ("merge_method: ties\nmodules: {text: {}}", "modules: which tensors belong to text"),
        ("a: !!python/none x", "must not use YAML tags"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_the_reason(text, expected):
    with pytest.raises(RecipeError, match=expected):
        import_mergekit(text)

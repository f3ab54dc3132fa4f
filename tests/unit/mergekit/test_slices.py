"""Slices as experts over layers: ranges, settings by slice, filters, and the way back."""

import pytest
import yaml

from merger.errors import RecipeError
from merger.layers import Run, layers_source
from merger.mergekit import export_mergekit, import_mergekit
from merger.recipe import Depth, Expert, Rule

NAMES = (
    "model.embed_tokens.weight", "model.norm.weight",
    *(f"model.layers.{i}.{part}.weight" for i in range(4) for part in ("attn.q", "mlp.up")),
)  # fmt: skip


def names(source: str) -> tuple[str, ...]:
    return NAMES


def part(model: str, start: int, stop: int, **parameters):
    own = {"parameters": parameters} if parameters else {}
    return {"model": f"org/{model}", "layer_range": [start, stop], **own}


def config(method: str, *slices, **top) -> str:
    listed = [{"sources": one} if isinstance(one, list) else one for one in slices]
    return yaml.safe_dump({"merge_method": method, **top, "slices": listed})


def read(text: str, tensor_names=names):
    (found,) = import_mergekit(text, tensor_names=tensor_names)
    return found.recipe


def test_a_frankenmerge_needs_no_model_at_hand():
    text = config("passthrough", [part("a", 0, 2)], [part("b", 1, 4)])
    recipe = read(text, None)
    runs = [Run("hub:org/a", 0, 2), Run("hub:org/b", 1, 4)]
    assert recipe.experts == (Expert(layers_source(runs), "a+b"),)
    assert not recipe.rules and recipe.base is None
    again = export_mergekit(recipe).text
    assert yaml.safe_load(again)["base_model"] == "org/a"
    assert read(again, None) == recipe


def test_settings_of_slices_become_settings_by_depth_and_rules_for_what_is_outside():
    first = [part("a", 0, 3, weight=[0, 1]), part("b", 0, 3, weight=1)]
    last = [part("a", 3, 4, weight=0.3), part("b", 3, 4, weight=0.6)]
    recipe = read(config("linear", first, last))
    assert recipe.weights == (Depth((0.0, 0.5, 1.0, 0.3)), Depth((1.0, 1.0, 1.0, 0.6)))
    assert recipe.rules == (Rule("model.norm.weight", weights=(0.3, 0.6)),)
    with pytest.raises(RecipeError, match="before the layers .* without the models"):
        read(config("linear", first, last), None)


def test_a_filter_of_one_model_sees_its_own_layers_and_one_of_all_the_results():
    text = config(
        "slerp",
        {"sources": [part("a", 0, 1), part("b", 3, 4)]},
        {"sources": [part("a", 2, 3), part("b", 0, 1)]},
        base_model="org/a",
        parameters={"t": [{"filter": "layers.1.", "value": 0.9}, {"value": 0.5}]},
    )
    assert read(text).rules == (Rule("model.layers.1.*", params={"t": 0.9}),)
    text = config(
        "linear",
        [part("a", 0, 1, weight=[{"filter": "layers.3.", "value": 2}, {"value": 1}]),
         part("b", 3, 4, weight=[{"filter": "layers.3.", "value": 2}, {"value": 1}])],
        [part("a", 1, 2, weight=1), part("b", 1, 2, weight=1)],
    )  # fmt: skip
    recipe = read(text)
    assert recipe.rules == (Rule("model.layers.0.*", weights=(1.0, 2.0)),)
    with pytest.raises(RecipeError, match="which layer a filter with a number means"):
        read(text, None)


def test_true_and_false_may_change_from_slice_to_slice():
    slices = [
        {"sources": [part("a", i, i + 1, weight=0.5), part("b", i, i + 1, weight=1)],
         "parameters": {"normalize": bool(i)}}
        for i in (0, 1)
    ]  # fmt: skip
    recipe = read(config("linear", *slices))
    assert recipe.params == {"normalize": False}
    assert recipe.rules[-1] == Rule("model.norm.weight", params={"normalize": True})
    assert Rule("model.layers.1.*", params={"normalize": True}) in recipe.rules


def test_a_slice_with_fewer_models_is_filled_up_where_weight_0_changes_nothing():
    slices = [
        [part("a", 0, 1, weight=1), part("b", 0, 1, weight=0.5)],
        [part("a", 1, 2, weight=1)],
    ]
    recipe = read(config("linear", *slices))
    assert recipe.experts[1].source == layers_source(
        [Run("hub:org/b", 0, 1), Run("hub:org/a", 1, 2)]
    )
    assert recipe.weights == (1.0, Depth((0.5, 0.0)))
    with pytest.raises(RecipeError, match="karcher has other numbers of models"):
        read(config("karcher", [part("a", 0, 1), part("b", 0, 1)], [part("a", 1, 2)]))


def test_each_slice_may_have_its_own_base():
    slices = [
        {"sources": [part("base", 0, 1), part("a", 0, 1, weight=1)]},
        {"sources": [part("old", 2, 3), part("a", 1, 2, weight=1)], "base_model": "org/old"},
    ]
    recipe = read(config("task_arithmetic", *slices, base_model="org/base"))
    assert recipe.base == layers_source([Run("hub:org/base", 0, 1), Run("hub:org/old", 2, 3)])
    again = yaml.safe_load(export_mergekit(recipe, tensor_names=names).text)
    assert again["base_model"] == "org/base"
    assert [one.get("base_model") for one in again["slices"]] == [None, "org/old"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (config("passthrough", [part("a", 2, 1)]), r"must count up from 0 or more, got \[2, 1\]"),
        (config("passthrough", [part("a", -1, 1)]), "must count up"),
        (config("passthrough", [part("a", 0, 0)]), "1 to 1000 layers in all"),
        (config("passthrough", [{"model": "org/a"}]), "layer_range must be"),
        (config("linear", [part("a", 0, 2), part("b", 0, 1)]), "the same number of layers, got 2"),
        (config("passthrough", [part("a", 0, 1), part("b", 0, 1)]), "takes 1 model, got 2"),
        (
            config("ties", [part("a", 0, 1, weight=1)], base_model="org/base"),
            "base_model is not among its sources",
        ),
        (
            config("passthrough", [{**part("a", 0, 1), "model": "org/a+./x"}], base_model="org/a"),
            "an adapter changes all layers",
        ),
        (config("passthrough", ["org/a"]), "layer_range"),
        ("merge_method: passthrough\nslices: [x]", "a slice must be a mapping"),
        ("merge_method: linear\nmodules: {default: 1}", "default must be a mapping"),
        ("merge_method: linear\nmodules: {default: {}}", "exactly one of models and slices"),
    ],
)
def test_what_mergekit_cannot_do_is_refused_with_the_reason(text, expected):
    with pytest.raises(RecipeError, match=expected):
        read(text)


def test_slices_are_nothing_to_mergekit_pytorch():
    with pytest.raises(RecipeError, match="knows no slices"):
        import_mergekit(config("passthrough", [part("a", 0, 1)]), raw=True)


def stacked(*runs, name="x", **options):
    return Expert(layers_source([Run(*run) for run in runs]), name, **options)


def test_an_export_cuts_where_any_model_goes_on_with_another():
    recipe = read(config("linear", [part("a", 0, 2, weight=1), part("b", 0, 2, weight=1)],
                         [part("a", 2, 4, weight=1), part("c", 1, 3, weight=1)]))  # fmt: skip
    other = stacked(("hub:org/d", 0, 1), ("hub:org/e", 0, 3))
    made = type(recipe)("linear", (recipe.experts[0], other))
    found = yaml.safe_load(export_mergekit(made).text)["slices"]
    ranges = [[source["layer_range"] for source in one["sources"]] for one in found]
    assert ranges == [[[0, 1], [0, 1]], [[1, 2], [0, 1]], [[2, 4], [1, 3]]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"weights": (Depth((1.0, 0.0)), 1.0)}, "what its last slice begins with"),
        ({"rules": (Rule("*layers.1*", weights=(1.0, 2.0)),)}, "has a number"),
        ({"rules": (Rule("model.*.up", weights=(1.0, 2.0)),)}, "cannot match"),
        ({"experts": (stacked(("hub:org/a", 0, 2)), stacked(("hub:org/a", 1, 3), name="y"))},
         "merged from one model twice"),
        ({"experts": (stacked(("hub:org/a", 0, 2)), stacked(("hub:org/b", 1, 2), name="y"))},
         "Models of 1 and 2 layers do not merge"),
        ({"experts": (stacked(("zoo:a", 0, 2)), stacked(("zoo:b", 0, 2), name="y"))},
         "mergekit cannot read 'a' from zoo:"),
    ],
)  # fmt: skip
def test_what_mergekit_cannot_write_in_slices_is_refused(options, expected):
    plain = (stacked(("hub:org/a", 0, 2), ("hub:org/c", 0, 2)),
             stacked(("hub:org/b", 0, 2), ("hub:org/d", 0, 2), name="y"))  # fmt: skip
    made = read(config("linear", [part("a", 0, 1, weight=1), part("b", 0, 1, weight=1)]))
    made = type(made)("linear", options.pop("experts", plain), **options)
    with pytest.raises(RecipeError, match=expected):
        export_mergekit(made)

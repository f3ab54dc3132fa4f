"""Each thing that mergekit passes over in silence is named, once for each."""

import pytest
import yaml

from merger.mergekit import import_mergekit
from tests.unit.mergekit.test_slices import NAMES, config, part

WEIGHED = [{"model": "org/a", "parameters": {"weight": 1}},
           {"model": "org/b", "parameters": {"weight": 0.5}}]  # fmt: skip


def told(text: str, severity: str = "trap", names=NAMES) -> list[str]:
    (found,) = import_mergekit(text, tensor_names=lambda source: names)
    return [f.what for f in found.findings if f.severity == severity]


def models(method: str, listed=WEIGHED, base="org/base", **top) -> str:
    table = {"merge_method": method, "models": listed, **top}
    return yaml.safe_dump(table | ({"base_model": base} if base else {}))


def both(start: int, stop: int, last: str = "b"):
    return [part("a", start, stop, weight=1), part(last, start, stop, weight=1)]


UNTIED = (*NAMES, "lm_head.weight")
LAYER_ONE = [{"filter": "layers.1.", "value": 2}, {"value": 1}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (models("ties"), "Where density is not said, mergekit keeps everything."),
        (
            models("ties", parameters={"density": [{"filter": "mlp", "value": 0.5}]}),
            "Where no filter of density matches, it is mergekit's default, 1.0.",
        ),
        (
            models("ties", parameters={"density": [{"value": 0.5}, {"filter": "m", "value": 1}]}),
            "What stands after an entry for all tensors is never reached.",
        ),
        (
            models("ties", parameters={"density": [{"filter": "*mlp*", "value": 0.5},
                                                   {"value": 1}]}),
            "The filter '*mlp*' is a part of a name as it stands, no pattern.",
        ),
        (
            models("linear", [WEIGHED[0], {"model": "org/b", "parameters": {"weight": -1}}], ""),
            "The weights add up to 0, by which mergekit divides: it writes infinities.",
        ),
        (
            models("nuslerp", parameters={"nuslerp_row_wise": True}),
            "nuslerp_row_wise has no effect on flattened tensors.",
        ),
        (
            models("nuslerp", parameters={"nuslerp_row_wise": True, "nuslerp_flatten": False}),
            "nuslerp_row_wise: true turns columns, and false turns rows.",
        ),
        (
            models("sce", ["org/a"], parameters={"select_topk": 0.5}),
            "With one model mergekit selects nothing, and returns the base.",
        ),
        (
            models("breadcrumbs", parameters={"density": 0.01}),
            "Of tensors with fewer than 100 entries, such as norms, mergekit keeps nothing.",
        ),
        (
            models("arcee_fusion", ["org/a"]),
            "Of tensors with more than a million entries mergekit draws a million, others each "
            "run; here all count.",
        ),
        (
            models("ties", tokenizer_source="base"),
            "mergekit cuts embeddings to the words of the tokenizer, padding rows too; here rows "
            "are kept.",
        ),
        (
            config("linear", both(0, 1), {"sources": both(1, 2), "residual_weight": 0.5}),
            "mergekit does nothing with residual_weight.",
        ),
        (
            config("linear", {"sources": both(0, 2), "input_model_parameters": {}}),
            "mergekit does nothing with input_model_parameters.",
        ),
        (config("linear", both(0, 1), {"sources": both(1, 2), "sorces": 1}),
         "mergekit ignores 'sorces'."),
        (
            config("linear", both(0, 1)[:1], both(1, 2)),
            "The first slice has 1 sources and the last one 2: mergekit gives the final norm and "
            "lm_head the first 1 of the last slice's models only; here all of them count.",
        ),
        (
            config("linear", both(0, 1), both(1, 1), both(1, 2)),
            "A range such as [0, 0] is no layer, and a slice of none between others does nothing.",
        ),
        (
            config("linear", both(0, 1), both(2, 3)),
            "Layer 1 is left out: layer_range ends before its second number.",
        ),
        (
            config("linear", both(0, 3)),
            "The last layer, 3, is left out: layer_range ends before its second number.",
        ),
        (
            config("linear", both(0, 2), [part("a", 2, 3, weight=[1, 0]), *both(2, 3)[1:]]),
            "A slice of one layer takes the last value of a list.",
        ),
        (
            config("passthrough", [part("a", 0, 2)], [part("b", 2, 4)]),
            "Embedding and head are one, and are taken from the first slice: the head of the last "
            "slice's models is lost.",
        ),
        (
            config("linear", both(0, 1), [part("a", 2, 3, weight=LAYER_ONE), *both(2, 3)[1:]]),
            "A filter such as 'layers.1.' means the layers of its own model under one model, and "
            "the layers of the result under all.",
        ),
    ],
)  # fmt: skip
def test_a_trap_is_named(text, expected):
    assert expected in told(text)


def test_nothing_is_said_of_what_is_well():
    text = models("ties", parameters={"density": 0.5}, dtype="float32")
    assert told(text) == [] and told(text, "note") == []
    head = config("passthrough", [part("a", 0, 2)], [part("b", 2, 4)], base_model="org/a")
    assert told(head, names=UNTIED) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (models("ties"), "Without dtype mergekit writes the widest dtype of the models"),
        (models("dare_ties"), "Random masks are drawn from another generator here."),
        (models("ties", [*WEIGHED, WEIGHED[0]]), "mergekit stops at a model that is listed twice"),
        (
            models("multislerp", [*WEIGHED, {"model": "org/c", "parameters": {"weight": 1}}]),
            "mergekit stops at a tensor that no model changed",
        ),
        (
            config("passthrough", [part("a", 0, 2)], [part("a", 2, 4)], base_model="org/b"),
            "mergekit takes config and tokenizer from base_model",
        ),
    ],
)
def test_a_difference_is_noted(text, expected):
    assert any(what.startswith(expected) for what in told(text, "note"))

"""Whatever a configuration holds, the answer is a recipe or a reason."""

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from merger.errors import MergeError
from merger.mergekit import export_mergekit, import_mergekit
from merger.mergekit.table import KINDS

PARAMETERS = sorted({s.name for kind in KINDS.values() for s in kind.settings})
ODD = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1,
        0.5,
        1e300,
        10**400,
        "x",
        "yes",
        "1e-5",
        "a/b+c",
        "@",
        [],
        [0, 1],
        [[1]],
        [True, False],
        {},
        {"value": 1},
        {"filter": "mlp", "value": [0, 1]},
        [{"filter": 3, "value": 1}],
        [{"filter": "mlp", "value": 1}, {"value": 0}],
        {"model": 3},
    ]
)
SETTINGS = st.dictionaries(st.sampled_from(PARAMETERS), ODD, max_size=4)
MODEL = st.one_of(
    st.fixed_dictionaries(
        {"model": st.sampled_from(["a/b", "a/c", "a/d"])}, optional={"parameters": SETTINGS}
    ),
    ODD,
)
SOURCE = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["a/b", "a/base", "a/c"]),
        "layer_range": st.one_of(st.sampled_from([[0, 1], [0, 0], [1, 2], [0, 3]]), ODD),
    },
    optional={"parameters": SETTINGS},
)
SLICE = st.one_of(
    st.fixed_dictionaries(
        {"sources": st.lists(SOURCE, max_size=3)},
        optional={"parameters": SETTINGS, "base_model": st.one_of(st.just("a/b"), ODD)},
    ),
    ODD,
)
TOKENIZER = st.fixed_dictionaries(
    {},
    optional={
        "source": st.one_of(st.sampled_from(["union", "base", "a/b"]), ODD),
        "tokens": st.one_of(
            st.dictionaries(
                st.sampled_from(["<s>", "x"]),
                st.one_of(ODD, st.fixed_dictionaries({"source": ODD}, optional={"force": ODD})),
            ),
            ODD,
        ),
        "pad_to_multiple_of": ODD,
    },
)
CONFIG = st.fixed_dictionaries(
    {"merge_method": st.one_of(st.sampled_from(sorted(KINDS)), ODD)},
    optional={
        "base_model": st.one_of(st.sampled_from(["a/b", "a/base"]), ODD),
        "models": st.lists(MODEL, max_size=4),
        "parameters": st.one_of(SETTINGS, ODD),
        "slices": st.one_of(ODD, st.lists(SLICE, max_size=3)),
        "modules": st.one_of(ODD, st.just({"default": {"models": ["a/b"]}})),
        "dtype": ODD,
        "name": ODD,
        "tokenizer_source": ODD,
        "tokenizer": st.one_of(ODD, TOKENIZER),
        "chat_template": ODD,
    },
)


NAMES = ["layers.0.mlp.w", "layers.1.mlp.w", "embed", "norm"]


@settings(max_examples=300, deadline=None)
@given(CONFIG, st.booleans())
def test_any_configuration_is_read_or_refused_with_a_reason(config: Any, known: bool):
    names = (lambda source: NAMES) if known else None
    try:
        for found in import_mergekit(yaml.safe_dump(config), tensor_names=names):
            export_mergekit(found.recipe, tensor_names=names)
    except MergeError as error:
        assert error.message

"""Models put together from layers: both programs write the same, and an export gives it again."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

from merger.engine import merge
from merger.mergekit import export_mergekit
from merger.mergekit.table import KINDS
from merger.places import LAYER
from merger.randomness import key_of, uniforms
from tests.conformance.pico import LAYERS, Draw, assert_same, build, names, read, tensors, theirs

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module", params=["llama", "gpt2", "tied"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp(request.param) / "models", request.param)


@pytest.fixture(autouse=True)
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one half everywhere: their generator and ours never draw the same."""
    monkeypatch.setattr(
        "merger.inputs.uniforms", lambda *place: uniforms(key_of(0, "", ""), *place[1:]) * 0 + 0.5
    )
    monkeypatch.setattr(torch, "bernoulli", lambda chances: (chances > 0.5).to(chances.dtype))


def source(folder: Path, name: str, start: int, stop: int, **parameters: Any) -> dict[str, Any]:
    own = {"parameters": parameters} if parameters else {}
    return {"model": str(folder / name), "layer_range": [start, stop], **own}


def check(text: str, tmp_path: Path, *, exports: bool = True) -> dict[str, torch.Tensor]:
    """Compare both programs on a configuration and on our export of it."""
    expected = theirs(text, tmp_path / "theirs")
    recipe = read(text)
    ours = tensors(merge(recipe, tmp_path / "ours"))
    assert_same(ours, expected)
    if exports:
        again = export_mergekit(recipe, tensor_names=names).text
        assert read(again) == recipe
        assert_same(theirs(again, tmp_path / "again"), expected)
    return ours


def written(table: dict[str, Any]) -> str:
    return yaml.safe_dump({"dtype": "float32", **table}, sort_keys=False)


def test_layers_repeat_overlap_and_come_from_several_models(family, tmp_path):
    runs = [("alpha", 0, 3), ("beta", 1, 4), ("alpha", 1, 2), ("alpha", 2, 4)]
    table: dict[str, Any] = {"merge_method": "passthrough", "base_model": str(family / "alpha")}
    table["slices"] = [{"sources": [source(family, *run)]} for run in runs]
    check(written(table), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()
    assert model.config.num_hidden_layers == 9
    assert torch.isfinite(model(torch.arange(8)[None]).logits).all()
    reference = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs").eval()
    torch.testing.assert_close(
        model(torch.arange(8)[None]).logits, reference(torch.arange(8)[None]).logits
    )


def test_a_range_of_no_layers_gives_embeddings_or_the_head(family, tmp_path):
    runs = [("beta", 0, 0), ("alpha", 0, LAYERS), ("gamma", 0, 0)]
    table: dict[str, Any] = {"merge_method": "passthrough", "base_model": str(family / "beta")}
    table["slices"] = [{"sources": [source(family, *run)]} for run in runs]
    check(written(table), tmp_path)


def test_repeated_layers_may_begin_as_nothing(family, tmp_path):
    none = [{"filter": "down_proj", "value": 0.0}, {"filter": "c_proj", "value": 0.0}]
    scale = {"scale": [*none, {"value": 1.0}]}
    runs: list[dict[str, Any]] = [
        source(family, "alpha", 0, 2),
        source(family, "alpha", 1, 2, **scale),
        source(family, "alpha", 2, 4),
        source(family, "beta", 3, 4, **scale),
    ]
    table: dict[str, Any] = {"merge_method": "passthrough", "base_model": str(family / "alpha")}
    table["slices"] = [{"sources": [run]} for run in runs]
    check(written(table), tmp_path)


def sliced(folder: Path, method: str) -> dict[str, Any]:
    """Return slices for any method: other ranges for each model, other settings in each slice."""
    kind = KINDS[method]
    has_base = kind.base in ("required", "optional")
    most = kind.inputs[1] or 3
    experts = ["alpha", "beta", "gamma"][:most]
    values = itertools.cycle([0.4, [0.9, 0.3], 0.7, [0.2, 0.6, 0.8]])
    found = []
    for turn, length in enumerate((2, 1, 3)):
        sources = [source(folder, "base", 0, length)] if has_base else []
        for i, name in enumerate(experts):
            own = {s.name: next(values) for s in kind.settings if s.name == "weight"}
            start = (turn + i) % (LAYERS + 1 - length)
            sources.append(source(folder, name, start, start + length, **own))
        shared = {"t": [{"filter": "mlp", "value": [0.1, 0.9]}, {"value": next(values)}]}
        own = {s.name: shared[s.name] for s in kind.settings if s.name in shared}
        found.append({"sources": sources, "parameters": own})
    usual = {
        "density": [{"filter": "attn", "value": 0.6}, {"value": 0.5}], "epsilon": 0.25,
        "gamma": 0.05, "lambda": [0.5, 1.0], "select_topk": 0.5,
    }  # fmt: skip
    shared = {s.name: usual[s.name] for s in kind.settings if s.name in usual}
    if method in ("ram", "ramplus_tl"):
        shared["epsilon"] = 0.005
    if method == "nearswap":
        found = [one | {"parameters": {"t": 0.004 * (i + 1)}} for i, one in enumerate(found)]
    base = {"base_model": str(folder / ("base" if has_base else "alpha"))}
    return {"merge_method": method, **base, "parameters": shared, "slices": found}


@pytest.mark.parametrize("method", sorted(KINDS))
def test_every_method_merges_slices_as_mergekit_does(method, family, tmp_path):
    check(written(sliced(family, method)), tmp_path)


def test_a_slice_may_have_a_base_of_its_own(family, tmp_path):
    table = sliced(family, "ties")
    table["slices"][1]["sources"][0] = source(family, "gamma", 2, 3)
    table["slices"][1]["sources"].pop()
    table["slices"][1]["base_model"] = str(family / "gamma")
    for one in table["slices"]:
        del one["sources"][3:]
    check(written(table), tmp_path)
    table = sliced(family, "slerp")
    table["slices"][2]["base_model"] = str(family / "beta")
    check(written(table), tmp_path / "slerp")


@pytest.mark.parametrize("method", ["linear", "ties", "dare_linear"])
def test_a_slice_may_have_fewer_models_than_the_first(method, family, tmp_path):
    table = sliced(family, method)
    table["slices"][1]["sources"].pop()
    table["slices"][2]["sources"].pop()
    check(written(table), tmp_path)


def test_models_of_the_last_slice_alone_count_in_the_head_here_and_not_there(family, tmp_path):
    table = sliced(family, "linear")
    table["slices"][0]["sources"].pop()
    text = written(table)
    expected = theirs(text, tmp_path / "theirs")
    recipe = read(text)
    ours = tensors(merge(recipe, tmp_path / "ours"))
    other = {k for k in ours if not torch.allclose(ours[k], expected[k], atol=1e-6, rtol=1e-5)}
    assert other and all(LAYER.search(key) is None for key in other)
    again = theirs(export_mergekit(recipe, tensor_names=names).text, tmp_path / "again")
    assert_same(again, ours)


def test_a_model_in_one_part_may_be_called_a_module(family, tmp_path):
    table = sliced(family, "ties")
    module = {"slices": table.pop("slices"), "parameters": {"lambda": 0.3}}
    check(written(table | {"modules": {"default": module}}), tmp_path)
    models = [
        {"model": str(family / name), "parameters": {"weight": 0.5}} for name in ("alpha", "beta")
    ]
    table["modules"] = {"default": {"models": models, "parameters": {"density": 0.3}}}
    check(written(table), tmp_path / "models")


KNOWN = {
    "linear": ("weight",),
    "ties": ("weight", "density", "lambda"),
    "task_arithmetic": ("weight", "lambda"),
    "slerp": ("t",),
}


@pytest.mark.parametrize("seed", range(16))
def test_levels_filters_and_gradients_mean_what_they_mean_there(seed, family, tmp_path):
    draw = Draw(family, seed)
    method = draw.draw.choice(sorted(KNOWN))
    known = KNOWN[method]
    base = method in ("ties", "task_arithmetic")
    as_models = seed % 2 == 0 and method != "slerp"
    table: dict[str, Any] = {"merge_method": method}
    if base or method == "slerp":
        table["base_model"] = draw.model("base" if base else "alpha")
    body = draw.models(known) if as_models else draw.slices(known, base=base)
    if seed % 3 == 0:
        body = {"modules": {"default": {**body, "parameters": draw.level(known)}}}
    table |= body | {"parameters": draw.level(known, closed=True)}
    check(written(table), tmp_path, exports=not as_models)

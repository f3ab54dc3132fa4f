"""Whole configurations: what mergekit writes for one is what we write for what we read of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import GPT2Config, GPT2LMHeadModel

from merger.engine import merge
from merger.mergekit.export import export_mergekit
from merger.randomness import key_of, uniforms
from tests.builders import build_llama_family
from tests.conformance.pico import assert_same, read, tensors, theirs

pytestmark = pytest.mark.conformance

WEIGHED = ("{weight: 0.5}", "{weight: 0.25}", "{weight: 1}")
MIXED = (
    "{weight: 0.5, density: 0.6}",
    "{weight: [0.2, 1.0], density: [0.7, 0.5]}",
    "{weight: [{filter: mlp, value: 0.3}, {value: 1.0}], density: 0.65}",
)
FILTERED = (
    "{t: [{filter: self_attn, value: [0, 1]}, {filter: mlp, value: [1, 0.2]}, {value: 0.3}]}"
)
BY_COLUMN = "{nuslerp_flatten: false, nuslerp_row_wise: true}"
# Method, shared parameters, those of each model, and which model is base_model.
CASES: list[tuple[str, str, tuple[str, ...], str]] = [
    ("linear", "{}", ("{weight: 0.5}", "{weight: [0.2, 1.0]}", "{weight: 1}"), ""),
    ("slerp", FILTERED, ("{}", "{}"), "alpha"),
    ("nuslerp", "{}", WEIGHED[:2], "base"),
    ("nuslerp", BY_COLUMN, WEIGHED[:2], ""),
    ("multislerp", "{}", WEIGHED, "base"),
    ("karcher", "{}", ("{}",) * 3, ""),
    ("karcher", "{}", ("{}",) * 3, "base"),
    ("task_arithmetic", "{lambda: 0.7}", MIXED, "base"),
    ("ties", "{}", MIXED, "base"),
    ("ties", "{normalize: false, lambda: 0.7}", MIXED, "base"),
    ("dare_linear", "{}", MIXED, "base"),
    ("dare_linear", "{normalize: true, density: 0.5}", WEIGHED, "base"),
    ("dare_ties", "{normalize: true}", MIXED, "base"),
    ("della", "{epsilon: 0.25}", MIXED, "base"),
    ("della_linear", "{epsilon: 0.25, rescale: false}", MIXED, "base"),
    ("breadcrumbs", "{gamma: 0.05}", MIXED, "base"),
    ("breadcrumbs_ties", "{gamma: 0.05}", MIXED, "base"),
    ("sce", "{select_topk: 0.5}", ("{}",) * 3, "base"),
    ("ram", "{epsilon: 0.005}", ("{}",) * 3, "base"),
    ("ramplus_tl", "{epsilon: 0.005, r: 0.5, alpha: 1.0}", ("{}",) * 3, "base"),
    ("model_stock", "{}", ("{}",) * 3, "base"),
    ("nearswap", "{t: 0.004}", ("{}",), "base"),
    ("passthrough", "{scale: [{filter: mlp, value: 0.5}, {value: 1.0}]}", ("{}",), ""),
]


def build_gpt2_family(folder: Path) -> Path:
    """Save a tiny GPT-2 and three experts around it: transposed matrices and a tied head."""
    settings = GPT2Config(vocab_size=64, n_embd=16, n_layer=3, n_head=2, n_positions=8)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        base = GPT2LMHeadModel(settings)
        for name in ("base", "alpha", "beta", "gamma"):
            expert = GPT2LMHeadModel(settings)
            for theirs, ours in zip(base.parameters(), expert.parameters(), strict=True):
                noise = torch.randn(ours.shape)
                ours.copy_(theirs + (0.0 if name == "base" else 0.05) * noise)
            expert.save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "gpt2":
        return build_gpt2_family(folder)
    return build_llama_family(folder, dtype="float32")


@pytest.fixture(autouse=True)
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one half everywhere: their generator and ours never draw the same."""
    monkeypatch.setattr(
        "merger.inputs.uniforms", lambda *place: uniforms(key_of(0, "", ""), *place[1:]) * 0 + 0.5
    )
    monkeypatch.setattr(torch, "bernoulli", lambda chances: (chances > 0.5).to(chances.dtype))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{CASES.index(case)}")
def test_both_write_the_same_model_and_an_export_gives_it_again(case, family, tmp_path):
    method, shared, each, base = case
    models = [
        {"model": str(family / name), "parameters": yaml.safe_load(own)}
        for name, own in zip(("alpha", "beta", "gamma"), each, strict=False)
    ]
    table: dict[str, Any] = {"merge_method": method, "dtype": "float32", "models": models}
    table |= {"base_model": str(family / base)} if base else {}
    text = yaml.safe_dump(table | {"parameters": yaml.safe_load(shared)})
    expected = theirs(text, tmp_path / "theirs")
    recipe = read(text)
    assert_same(tensors(merge(recipe, tmp_path / "ours")), expected)
    again = export_mergekit(recipe).text
    assert_same(theirs(again, tmp_path / "again"), expected)
    assert read(again) == recipe

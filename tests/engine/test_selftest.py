"""The self-test of a saved merge: it says that a good one is good, and names what is broken."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTModel

from merger import selftest
from merger.engine import merge
from merger.errors import SourceError
from merger.recipe import Expert, Recipe
from merger.selftest import self_test, written_models
from tests.builders import build_llama_family

UP = "model.layers.0.mlp.up_proj.weight"
TINY: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
}  # fmt: skip


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_llama_family(tmp_path_factory.mktemp("family"))
    experts = tuple(Expert(str(folder / name), name) for name in ("alpha", "beta"))
    return merge(Recipe("ties", experts, str(folder / "base")), folder / "out")


def spoiled(merged: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a merge without its card, with other tensors."""
    shutil.copytree(merged, folder)
    (folder / "README.md").unlink()
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_good_merge_loads_answers_and_stays_in_size(merged: Path) -> None:
    found = self_test(merged, prompt="3+4")
    assert found.is_well and found.problems == (), found.problems
    assert found.verdict == (
        "It loads whole, it answers with finite numbers, it has too few layers to tell whether "
        "one stands out in size."
    )
    assert found.loading is not None and found.loading.architecture == "LlamaForCausalLM"
    assert found.answer is not None and found.answer.asked == "“3+4”"
    assert len(found.answer.words) == 3
    assert [layer.layer for layer in found.drift.layers] == [None, 0, 1]
    assert all(0.9 < layer.ratio < 1.1 for layer in found.drift.layers if layer.ratio)
    told = json.loads(json.dumps(found.to_json()))
    assert told["drift"]["threshold"] == 6.0 and told["is_well"] is True


def test_a_layer_that_stands_out_is_told_and_does_not_fail(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {**TINY, "num_hidden_layers": 6}
    for name in ("base", "one"):
        made = BertForSequenceClassification(BertConfig(vocab_size=50, **sizes))
        if name == "one":
            made.bert.encoder.layer[4].output.dense.weight.data *= 3
        made.save_pretrained(tmp_path / name)
    recipe = Recipe("linear", (Expert(str(tmp_path / "one"), "one"),), str(tmp_path / "base"))
    found = self_test(merge(recipe, tmp_path / "out"))
    assert found.is_well and [one.key for one in found.drift.outliers] == [
        "bert.encoder.layer.4.output.dense.weight"
    ]
    words = "1 tensor stands out in size. Tensor bert.encoder.layer.4.output.dense.weight is 3."
    assert words in found.verdict


BREAK: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "not finite": (lambda t: t[UP].view(-1)[3].fill_(torch.nan), "not finite in " + UP),
    "zero": (lambda t: t[UP].zero_(), "nothing but zeros in " + UP),
    "missing": (lambda t: t.pop(UP), "has no numbers for " + UP),
    "more": (lambda t: t.update(odd=torch.ones(2)), "has no place for odd"),
    "another shape": (lambda t: t.update({UP: torch.ones(3, 16)}), "has another shape for " + UP),
    "a twin": (
        lambda t: t.update({UP: t["model.layers.1.mlp.up_proj.weight"].clone()}),
        "hold the same numbers",
    ),
}


@pytest.mark.parametrize("how", list(BREAK))
def test_what_is_broken_is_named(merged: Path, tmp_path: Path, how: str) -> None:
    change, words = BREAK[how]
    found = self_test(spoiled(merged, tmp_path / "out", change))
    assert not found.is_well and found.verdict.startswith("Not fit for use.")
    assert any(words in problem.what for problem in found.errors), found.problems


@pytest.mark.parametrize(
    ("times", "severity"), [(1.5, ""), (3.0, "note"), (0.2, "note"), (40, "error")]
)
def test_a_model_that_grew_as_a_whole_is_told_by_how_much(tmp_path, merged, times, severity):
    folder = spoiled(merged, tmp_path / "grown", lambda t: [v.mul_(times) for v in t.values()])
    found = self_test(folder)
    assert found.is_well is (severity != "error")
    said = [p for p in found.problems if "times as long as in base" in p.what]
    assert [p.severity for p in said] == [severity][: bool(severity)]
    if said:
        assert ", and 2 more are off by more than 2 times." in said[0].what and said[0].remedy


def test_a_file_that_changed_since_the_merge_is_an_error(merged: Path, tmp_path: Path) -> None:
    shutil.copytree(merged, tmp_path / "out")
    (tmp_path / "out" / "generation_config.json").write_text("{}")
    found = self_test(tmp_path / "out")
    assert not found.is_well and "generation_config.json is changed" in found.verdict


@pytest.mark.parametrize("kind", ["bert", "vit"])
def test_classifiers_and_image_models_are_asked_too(tmp_path: Path, kind: str) -> None:
    for i, name in enumerate(("base", "one")):
        torch.manual_seed(i)
        model = (
            BertForSequenceClassification(BertConfig(vocab_size=50, **TINY))
            if kind == "bert"
            else ViTModel(ViTConfig(image_size=8, patch_size=4, **TINY))
        )
        model.save_pretrained(tmp_path / name)
    recipe = Recipe("linear", (Expert(str(tmp_path / "one"), "one"),), str(tmp_path / "base"))
    found = self_test(merge(recipe, tmp_path / "out"))
    assert found.is_well and found.answer is not None, found.problems
    wanted = {"bert": "the first 8 words of its vocabulary", "vit": "an image of noise, [3, 8, 8]"}
    assert found.answer.asked == wanted[kind]


def test_what_cannot_be_tried_is_said(merged: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "out"
    shutil.copytree(merged, out)
    for name in ("README.md", "recipe.yaml"):
        (out / name).unlink()
    found = self_test(out)
    assert found.is_well and found.drift.reference == ""
    assert "compared with nothing: it has no recipe.yaml" in found.verdict
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"model_type": "unheard"}))
    found = self_test(out, base=str(merged))
    assert found.is_well and found.loading is None and "Code that comes" in str(found.to_json())
    assert found.drift.reference == "out"
    monkeypatch.setattr(selftest, "free_memory", lambda: 1000)
    assert "that takes 0.0 GB" in self_test(merged).verdict
    with pytest.raises(SourceError):
        self_test(tmp_path)


def test_every_model_of_a_method_with_several_is_tested(merged: Path, tmp_path: Path) -> None:
    recipe = replace(Recipe.load(merged / "recipe.yaml"), method="twin_per_task", params={})
    folders = written_models(merge(recipe, tmp_path / "parts"))
    assert [folder.name for folder in folders] == ["alpha", "beta"]
    assert all(self_test(folder).is_well for folder in folders)

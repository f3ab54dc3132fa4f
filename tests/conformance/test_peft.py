"""Adapters that PEFT wrote, read by us, are what PEFT makes of them itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    ViTConfig,
    ViTForImageClassification,
)

from merger.checkpoint import FileCheckpoint
from merger.engine import merge
from merger.memory import merge_tensors
from merger.randomness import key_of, uniforms
from merger.recipe import Expert, Recipe
from merger.refactor import extract, merge_to_adapter
from merger.sources import open_source
from tests.builders import llama_config

peft = pytest.importorskip("peft", reason="PEFT is an oracle, not a dependency")
pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore")]

QV = ["q_proj", "v_proj"]
CASES = {
    "plain": dict(target_modules=QV, r=4, lora_alpha=16),
    "rank stabilised": dict(target_modules=QV, r=4, lora_alpha=16, use_rslora=True),
    "all linear": dict(target_modules="all-linear", r=2, lora_alpha=3),
    "patterns": dict(
        target_modules=[*QV, "up_proj"], r=2, lora_alpha=4,
        rank_pattern={"up_proj": 5, r"layers\.1\.self_attn\.q_proj": 3},
        alpha_pattern={"up_proj": 7, r".*\.1\.self_attn\.v_proj": 9},
    ),
    "embedding": dict(target_modules=["embed_tokens", "q_proj"], r=3, lora_alpha=6),
    "head": dict(target_modules=QV, r=2, lora_alpha=4, modules_to_save=["lm_head"]),
}  # fmt: skip


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(llama_config(tie_word_embeddings=False))


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=8)
    )


def trained(model, **config):
    """Return a PEFT model whose every factor and saved module differs from its start."""
    made = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **config))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "modules_to_save" in name:
                parameter.add_(0.1)
    return made


def check(tmp_path: Path, make, **config) -> None:
    make().save_pretrained(tmp_path / "base")
    trained_model = trained(make(), **config)
    trained_model.save_pretrained(tmp_path / "adapter")
    trained_model.merge_and_unload().save_pretrained(tmp_path / "merged")
    base, merged = FileCheckpoint(tmp_path / "base"), FileCheckpoint(tmp_path / "merged")
    ours = open_source(f"lora:{tmp_path / 'adapter'}", base=base)
    assert list(ours.tensors) == list(merged.tensors)
    changed = 0
    for key in merged.tensors:
        torch.testing.assert_close(ours.read(key), merged.read(key), atol=1e-6, rtol=1e-5)
        changed += not torch.equal(base.read(key), merged.read(key))
    assert changed


@pytest.mark.parametrize("name", list(CASES))
def test_a_llama_adapter_is_read_as_peft_merges_it(tmp_path, name):
    check(tmp_path, llama, **CASES[name])


def test_a_gpt2_adapter_is_read_as_peft_merges_it(tmp_path):
    targets = ["c_attn", "c_proj", "c_fc"]
    check(tmp_path, gpt2, target_modules=targets, r=3, lora_alpha=6, fan_in_fan_out=True)


def test_an_adapter_that_we_write_is_loaded_by_peft(tmp_path):
    llama().save_pretrained(tmp_path / "base")
    for i, name in enumerate("ab"):
        torch.manual_seed(i)
        trained(llama(), **CASES["patterns"]).save_pretrained(tmp_path / name)
    experts = tuple(Expert(f"lora:{tmp_path / name}", name) for name in "ab")
    recipe = Recipe("task_arithmetic", experts, str(tmp_path / "base"), weights=(1.0, -0.5))
    found = merge_to_adapter(recipe, tmp_path / "out", 16)
    merge(recipe, tmp_path / "merged")
    assert found.error < 1e-6
    loaded = peft.PeftModel.from_pretrained(llama(), tmp_path / "out").merge_and_unload()
    merged = FileCheckpoint(tmp_path / "merged")
    for key, value in loaded.state_dict().items():
        torch.testing.assert_close(
            merged.read(key).reshape(value.shape), value, atol=1e-5, rtol=1e-5
        )


def biased() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(llama_config(tie_word_embeddings=False, attention_bias=True))


def vit() -> ViTForImageClassification:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "image_size": 8, "patch_size": 4, "num_labels": 3,
    }  # fmt: skip
    return ViTForImageClassification(ViTConfig(**sizes))


# Parameters that belong to no layer, which no adapter holds.
OWN = ("cls_token", "position_embeddings")


@pytest.mark.parametrize("make", [llama, biased, gpt2, vit])
def test_an_extracted_model_is_given_back_by_peft(tmp_path, make):
    make().save_pretrained(tmp_path / "base")
    tuned = make()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if not name.endswith(OWN):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    tuned.save_pretrained(tmp_path / "tuned")
    found = extract(f"file:{tmp_path}/tuned", f"file:{tmp_path}/base", tmp_path / "out", 999)
    assert found.error < 1e-5 and not found.unnamed
    loaded = peft.PeftModel.from_pretrained(make(), tmp_path / "out").merge_and_unload()
    theirs, ours = tuned.state_dict(), loaded.state_dict()
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, atol=1e-5, rtol=1e-5, msg=key)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.7, -0.4)])
def test_adapters_are_added_up_as_peft_concatenates_them(tmp_path, weights):
    llama().save_pretrained(tmp_path / "base")
    model = None
    for i, name in enumerate("ab"):
        torch.manual_seed(i)
        made = trained(llama(), target_modules=QV, r=2 + i, lora_alpha=4 + 3 * i)
        made.save_pretrained(tmp_path / name)
        if model is None:
            model = peft.PeftModel.from_pretrained(llama(), tmp_path / name, adapter_name=name)
        else:
            model.load_adapter(tmp_path / name, name)
    assert model is not None
    model.add_weighted_adapter(list("ab"), list(weights), "both", combination_type="cat")
    model.set_adapter("both")
    theirs = model.merge_and_unload().state_dict()
    experts = tuple(Expert(f"lora:{tmp_path / name}", name) for name in "ab")
    params = {"scale": 1.0}
    recipe = Recipe("task_arithmetic", experts, str(tmp_path / "base"), weights, params)
    ours = FileCheckpoint(merge(recipe, tmp_path / "merged"))
    for key, value in theirs.items():
        torch.testing.assert_close(
            ours.read(key).reshape(value.shape), value, atol=1e-6, rtol=1e-5
        )


def stacks(n: int, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(13, 11, generator=draw) for _ in range(n)]


def ours(method: str, taus, weights, **params) -> torch.Tensor:
    base = {"w": torch.zeros(13, 11)}
    experts = [{"w": tau} for tau in taus]
    return merge_tensors(method, experts, base, params, weights)["w"]


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.3, 2.0, -1.0)])
@pytest.mark.parametrize("density", [0.2, 0.7, 1.0])
def test_methods_with_peft_s_dialect_are_peft_s(weights, density):
    utils, taus, column = peft.utils.merge_utils, stacks(3), torch.tensor(weights)
    found = {
        "task_arithmetic": (utils.task_arithmetic(taus, column), {"dialect": "peft"}),
        "magnitude_prune": (utils.magnitude_prune(taus, column, density), {"density": density}),
        "ties": (utils.ties(taus, column, density), {"dialect": "peft", "density": density}),
    }
    for method, (theirs, params) in found.items():
        torch.testing.assert_close(ours(method, taus, weights, **params), theirs)
    theirs = utils.ties(taus, column, density, "frequency")
    params = {"dialect": "peft", "density": density, "elect": "count"}
    torch.testing.assert_close(ours("ties", taus, weights, **params), theirs)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.3, 2.0, -1.0)])
def test_drop_and_rescale_with_peft_s_dialect_is_peft_s_on_the_same_masks(monkeypatch, weights):
    utils, taus, column = peft.utils.merge_utils, stacks(3), torch.tensor(weights)
    for method in ("dare_linear", "dare_ties"):
        names = iter(["expert_1", "expert_2", "expert_3"])

        def prune(tensor, density, rescale, names=names):
            draws = torch.from_numpy(uniforms(key_of(0, next(names), "w", ""), 0, 143))
            return tensor * (draws.reshape(13, 11) < density) / density

        monkeypatch.setattr(utils, "random_pruning", prune)
        theirs = getattr(utils, method)(taus, column, 0.4)
        found = ours(method, taus, weights, density=0.4, dialect="peft")
        torch.testing.assert_close(found, theirs)

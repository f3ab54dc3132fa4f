"""Adapters that PEFT wrote, read by us, are what PEFT makes of them itself."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from merger.checkpoint import FileCheckpoint
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

"""Names on disk find their parameters, whatever transformers calls them in memory."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from merger.errors import TaskError
from merger.naming import _match, build_module
from merger.runner import Runner
from tests.builders import llama_config

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}


def saved(model: transformers.PreTrainedModel, folder: Path) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        draw = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def runner_of(model: transformers.PreTrainedModel, tensors: dict[str, torch.Tensor]) -> Runner:
    return Runner(
        model.config.to_dict() | {"architectures": [type(model).__name__]},
        {key: tuple(tensor.shape) for key, tensor in tensors.items()},
    )


def vit() -> transformers.ViTModel:
    config = transformers.ViTConfig(**SMALL, image_size=28, patch_size=7, num_channels=1)
    return transformers.ViTModel(config).eval()


def check_same_answers(model, folder, inputs) -> Runner:
    tensors = saved(model, folder)
    runner = runner_of(model, tensors)
    assert set(runner.keys) == set(tensors)
    runner.load(tensors)
    with torch.inference_mode():
        ours, theirs = runner.module(**inputs)[0], model(**inputs)[0]
    assert torch.allclose(ours, theirs, atol=1e-6)
    return runner


def test_vit_keeps_eight_of_forty_names_and_all_numbers(tmp_path: Path) -> None:
    model = vit()
    runner = check_same_answers(model, tmp_path, {"pixel_values": torch.randn(2, 1, 28, 28)})
    assert len(runner.keys) == 40
    assert len(set(runner.keys) & {name for name, _ in model.named_parameters()}) == 8


def test_bert_answers_as_transformers_loads_it(tmp_path: Path) -> None:
    config = transformers.BertConfig(**SMALL, vocab_size=50)
    model = transformers.BertModel(config).eval()
    check_same_answers(model, tmp_path, {"input_ids": torch.tensor([[3, 1, 4, 1, 5]])})


def test_llama_with_a_tied_head_has_one_tensor_for_both(tmp_path: Path) -> None:
    model = transformers.LlamaForCausalLM(llama_config()).eval()
    ids = {"input_ids": torch.tensor([[3, 1, 4, 1, 5]])}
    runner = check_same_answers(model, tmp_path, ids)
    assert "lm_head.weight" not in runner.keys
    module = runner.module
    assert module.lm_head.weight.data_ptr() == module.model.embed_tokens.weight.data_ptr()


def test_gpt2_answers_as_transformers_loads_it(tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, vocab_size=50, bos_token_id=0, eos_token_id=1
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    check_same_answers(model, tmp_path, {"input_ids": torch.tensor([[3, 1, 4, 1, 5]])})


def test_gpt2_without_its_prefix_is_found_too() -> None:
    config = transformers.GPT2Config(
        n_embd=16, n_layer=1, n_head=2, vocab_size=50, bos_token_id=0, eos_token_id=1
    )
    model = transformers.GPT2LMHeadModel(config)
    shapes = {
        name.removeprefix("transformer."): tuple(parameter.shape)
        for name, parameter in model.named_parameters()
    }
    named = build_module(config.to_dict() | {"architectures": ["GPT2LMHeadModel"]}, shapes)
    assert set(named.keys) == set(shapes)


MIXTURES = {
    "Mixtral": {"num_local_experts": 3},
    "Qwen2Moe": {
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 12,
        "shared_expert_intermediate_size": 20,
    },
    "Olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
}  # fmt: skip


@pytest.mark.parametrize("family", MIXTURES)
def test_experts_that_are_kept_in_one_tensor_answer_too(tmp_path: Path, family: str) -> None:
    settings = SMALL | MIXTURES[family] | {"num_key_value_heads": 2, "vocab_size": 50}
    config = getattr(transformers, f"{family}Config")(**settings, pad_token_id=0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    runner = check_same_answers(model, tmp_path, {"input_ids": torch.tensor([[3, 1, 4, 1, 5]])})
    assert any(".experts.2." in key for key in runner.keys)


def test_a_turned_tensor_is_refused(tmp_path: Path) -> None:
    class Turned(torch.nn.Module):
        def __init__(self, values: torch.Tensor) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(values.t().contiguous())

    bits = torch.arange(0x00800000, 0x00800000 + 6, dtype=torch.int32)
    module = Turned(bits.view(torch.float32).reshape(2, 3))
    with pytest.raises(TaskError, match="w is no plain copy of tensors on disk"):
        _match(module, {0x00800000: "w"}, {"w": (2, 3)}, "Turned")


def test_a_missing_tensor_is_refused_by_name(tmp_path: Path) -> None:
    tensors = saved(vit(), tmp_path)
    short = {key: tensor for key, tensor in tensors.items() if key != "layernorm.weight"}
    with pytest.raises(TaskError, match="layernorm.weight"):
        runner_of(vit(), short)
    runner = runner_of(vit(), tensors)
    with pytest.raises(TaskError, match=r"layernorm\.weight: ViTModel needs 24 numbers, got noth"):
        runner.load(short)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(TaskError, match="model_type must be one that transformers knows"):
        build_module({"model_type": "__import__('os')"}, {})


def test_loading_rounds_nothing_and_widens_half(tmp_path: Path) -> None:
    tensors = {key: t.bfloat16() for key, t in saved(vit(), tmp_path).items()}
    runner = runner_of(vit(), tensors)
    runner.load(tensors)
    weight = runner.module.layernorm.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, tensors["layernorm.weight"].float())

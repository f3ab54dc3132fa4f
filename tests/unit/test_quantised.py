"""Quantised checkpoints are refused by name, whether or not their config says what they are."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.errors import SourceError
from merger.layout import read_layout
from merger.quantised import KINDS, TITLES

L = "model.layers.0.mlp.up_proj"
PLAIN = {"model.norm.weight": torch.ones(4, dtype=torch.bfloat16)}
F8 = torch.zeros(4, 4).to(torch.float8_e4m3fn)


def ints(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype)


# Tensors as each library saves them, and the title that they must be called by.
STORED: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "bitsandbytes 4 bits": (
        {
            f"{L}.weight": ints(torch.uint8, 8, 1),
            f"{L}.weight.absmax": torch.ones(1),
            f"{L}.weight.quant_map": torch.ones(16),
            f"{L}.weight.quant_state.bitsandbytes__nf4": ints(torch.uint8, 80),
        },
        "bitsandbytes",
    ),
    "bitsandbytes 8 bits": (
        {f"{L}.weight": ints(torch.int8, 4, 4), f"{L}.SCB": torch.ones(4)},
        "bitsandbytes",
    ),
    "gptq": (
        {
            f"{L}.qweight": ints(torch.int32, 2, 4),
            f"{L}.qzeros": ints(torch.int32, 1, 1),
            f"{L}.scales": torch.ones(1, 4).half(),
            f"{L}.g_idx": ints(torch.int32, 4),
        },
        "GPTQ",
    ),
    "awq": (
        {
            f"{L}.qweight": ints(torch.int32, 4, 1),
            f"{L}.qzeros": ints(torch.int32, 1, 1),
            f"{L}.scales": torch.ones(1, 4).half(),
        },
        "AWQ",
    ),
    "hqq": (
        {f"{L}.W_q": ints(torch.uint8, 8, 1), f"{L}.scale": torch.ones(1)},
        "HQQ",
    ),
    "compressed-tensors": (
        {
            f"{L}.weight_packed": ints(torch.int32, 4, 1),
            f"{L}.weight_scale": torch.ones(4, 1),
            f"{L}.weight_shape": ints(torch.int64, 2),
        },
        "compressed-tensors",
    ),
    "mxfp4": (
        {
            "model.layers.0.mlp.experts.gate_up_proj_blocks": ints(torch.uint8, 1, 2, 1, 16),
            "model.layers.0.mlp.experts.gate_up_proj_scales": ints(torch.uint8, 1, 2, 1),
        },
        "MXFP4",
    ),
    "fp8 in blocks": ({f"{L}.weight": F8, f"{L}.weight_scale_inv": torch.ones(1, 1)}, "FP8"),
    "fp8 in rows": ({f"{L}.weight": F8, f"{L}.weight_scale": torch.ones(4, 1)}, "FP8"),
    "fp8 alone": ({f"{L}.weight": F8}, "FP8"),
    "int8 with scales": (
        {f"{L}.weight": ints(torch.int8, 4, 4), f"{L}.weight_scale": torch.ones(4, 1)},
        "eight-bit integers",
    ),
    "int8 alone": ({f"{L}.weight": ints(torch.int8, 4, 4)}, "eight-bit integers"),
    "int32 alone": ({f"{L}.weight": ints(torch.int32, 4, 4)}, "I32"),
    "aqlm": (
        {f"{L}.codes": ints(torch.int8, 4, 1, 1), f"{L}.codebooks": torch.ones(1, 4)},
        "AQLM",
    ),
    "quanto": (
        {f"{L}.weight._data": ints(torch.int8, 4, 4), f"{L}.weight._scale": torch.ones(4, 1)},
        "quanto",
    ),
}  # fmt: skip


def saved(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    save_file(PLAIN | tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read_layout(path)
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("kind", list(STORED))
def test_tensors_say_what_a_silent_config_does_not(tmp_path: Path, kind: str) -> None:
    tensors, title = STORED[kind]
    words = refusal(saved(tmp_path, tensors))
    assert f"is quantised with {title} (" in words and "cannot be averaged" in words
    assert "Merge the checkpoint it was quantised from" in words
    assert any(key in words for key in tensors), "which tensor says so"


@pytest.mark.parametrize("method", [*KINDS, *TITLES])
def test_a_config_names_the_method(tmp_path: Path, method: str) -> None:
    title = KINDS[method].title if method in KINDS else TITLES[method]
    settings = {"quant_method": method, "bits": 3}
    words = refusal(saved(tmp_path, {f"{L}.codes": F8}, quantization_config=settings))
    assert f"is quantised with {title}, 3 bits (" in words


@pytest.mark.parametrize("bits", [4, 8])
def test_bitsandbytes_says_how_many_bits(tmp_path: Path, bits: int) -> None:
    settings = {"quant_method": "bitsandbytes", f"load_in_{bits}bit": True}
    tensors, _ = STORED[f"bitsandbytes {bits} bits"]
    words = refusal(saved(tmp_path, tensors, quantization_config=settings))
    assert f"bitsandbytes, {bits} bits" in words


def test_what_transformers_unpacks_itself_is_said(tmp_path: Path) -> None:
    for number, (kind, name) in enumerate(
        (("fp8 in blocks", "FineGrainedFP8Config"), ("mxfp4", "Mxfp4Config"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert f"{name}(dequantize=True)" in refusal(saved(folder, STORED[kind][0]))


def test_plain_weights_under_a_config_of_codes_need_a_decision(tmp_path: Path) -> None:
    settings = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    words = refusal(saved(tmp_path, {}, quantization_config=settings))
    assert "all its tensors are plain numbers" in words
    assert "take quantization_config out of its config.json" in words


@pytest.mark.parametrize("config", [
    {"compression_config": {"format": "pack-quantized"}},
    {"text_config": {"quantization_config": {"quant_method": "awq"}}},
    {"quantization_config": "odd\x1b[2J"},
    {"quantization_config": {"quant_method": ["x"], "bits": True}},
])  # fmt: skip
def test_odd_configs_end_in_words(tmp_path: Path, config: dict) -> None:
    words = refusal(saved(tmp_path, {f"{L}.weight": F8}, **config))
    assert "quantised with" in words and words.isprintable()


def test_whole_numbers_that_are_no_codes_pass(tmp_path: Path) -> None:
    fine = {
        "embeddings.position_ids": ints(torch.int64, 1, 8),
        "bn.num_batches_tracked": torch.tensor(3),
        "h.0.attn.bias": ints(torch.uint8, 1, 1, 4, 4),
        "relative_position_index": ints(torch.int64, 4, 4),
        "up_blocks.0.weight": torch.ones(2, 2),
        "model.scales": torch.ones(2),
    }
    assert set(read_layout(saved(tmp_path, fine)).places) == {*fine, *PLAIN}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_plain_numbers_of_every_width_pass(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({f"{L}.weight": torch.ones(4, 4, dtype=dtype)}, tmp_path / "model.safetensors")
    assert list(read_layout(tmp_path).places) == [f"{L}.weight"]


@pytest.mark.parametrize("name", ["model.Q4_K_M.gguf", "tf_model.h5", "flax_model.msgpack"])
def test_weights_of_other_programs_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    words = refusal(tmp_path)
    assert "no safetensors file" in words and "as safetensors" in words

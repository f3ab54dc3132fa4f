"""What a merge writes is a model that transformers loads, with every weight in its place."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, BertModel, PreTrainedModel, ViTConfig, ViTModel

from merger.engine import merge
from merger.recipe import Expert, Recipe
from tests.builders import build_llama_family
from tests.engine.folders import read

TINY = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Any:
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()


def save_models(folder: Path, build: Any, dtype: torch.dtype) -> Recipe:
    for i, name in enumerate(("base", "one", "two")):
        torch.manual_seed(i)
        build().to(dtype).save_pretrained(folder / name, max_shard_size="20KB")
    experts = (Expert(str(folder / "one"), "one"), Expert(str(folder / "two"), "two"))
    return Recipe("task_arithmetic", experts, base=str(folder / "base"), params={"scale": 0.5})


def load_whole(folder: Path, kind: Any = AutoModel) -> PreTrainedModel:
    """Load a model and make sure that transformers found exactly what it looked for."""
    model, told = kind.from_pretrained(folder, output_loading_info=True, dtype="auto")
    assert {name: list(told[name]) for name in told if told[name]} == {}
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "build",
    [
        lambda: BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, **TINY)),
        lambda: ViTModel(ViTConfig(image_size=8, patch_size=4, **TINY)),
    ],
    ids=["bert", "vit"],
)
def test_encoders_come_back_whole_in_every_dtype(tmp_path: Path, build: Any, dtype: Any) -> None:
    recipe = save_models(tmp_path, build, dtype)
    out = merge(recipe, tmp_path / "out", shard_bytes=20_000)
    model = load_whole(out)
    assert model.dtype == dtype
    parts = [AutoModel.from_pretrained(tmp_path / n, dtype="auto") for n in ("base", "one", "two")]
    states = [part.float().state_dict() for part in parts]
    for name, weight in model.state_dict().items():
        base, one, two = (state[name] for state in states)
        expected = base + 0.5 * ((one - base) + (two - base))
        torch.testing.assert_close(weight, expected.to(dtype), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_sharded_llama_with_a_tied_head_comes_back_whole(tmp_path: Path, dtype: str) -> None:
    build_llama_family(tmp_path, dtype=dtype)
    experts = tuple(Expert(str(tmp_path / name), name) for name in ("alpha", "beta"))
    recipe = Recipe("ties", experts, base=str(tmp_path / "base"))
    out = merge(recipe, tmp_path / "out", shard_bytes=8_000)
    model = load_whole(out, transformers.AutoModelForCausalLM)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert sum(p.numel() for p in model.parameters()) == sum(
        t.numel() for t in read(tmp_path / "base").values()
    )
    assert torch.isfinite(model(input_ids=torch.tensor([[0, 5, 9]])).logits).all()
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ):
        assert (out / name).read_bytes() == (tmp_path / "base" / name).read_bytes()
    index = json.loads((out / "model.safetensors.index.json").read_text())
    base_index = json.loads((tmp_path / "base" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == base_index["metadata"]


def test_a_head_that_is_stored_twice_is_merged_once_and_written_twice(tmp_path: Path) -> None:
    build_llama_family(tmp_path, experts=("alpha", "beta"), dtype="float32")
    for name in ("base", "alpha"):
        weights = read(tmp_path / name)
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
        for path in (tmp_path / name).glob("*.safetensors*"):
            path.unlink()
        save_file(weights, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    experts = tuple(Expert(str(tmp_path / name), name) for name in ("alpha", "beta"))
    # A random method would draw another mask for another name.
    recipe = Recipe("dare_linear", experts, base=str(tmp_path / "base"))
    merged = load_file(merge(recipe, tmp_path / "out") / "model.safetensors")
    assert merged.keys() == read(tmp_path / "base").keys()
    assert torch.equal(merged["lm_head.weight"], merged["model.embed_tokens.weight"])
    load_whole(tmp_path / "out", transformers.AutoModelForCausalLM)


def test_another_dtype_is_what_transformers_loads(tmp_path: Path) -> None:
    recipe = save_models(
        tmp_path,
        lambda: BertModel(BertConfig(vocab_size=50, max_position_embeddings=16, **TINY)),
        torch.float32,
    )
    changed = Recipe.from_json({**recipe.to_json(), "out_dtype": "bfloat16"})
    assert load_whole(merge(changed, tmp_path / "out")).dtype == torch.bfloat16

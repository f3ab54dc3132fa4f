"""Which files of a folder are a model's weights, and which folders are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from merger.errors import SourceError
from merger.layout import read_layout


def shards(folder: Path, weight_map: dict[str, object]) -> None:
    save_file({"a": torch.zeros(2)}, folder / "one.safetensors")
    save_file({"b": torch.ones(3)}, folder / "two.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def refusal(folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read_layout(folder)
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def test_shards_are_found_by_their_index(tmp_path: Path) -> None:
    shards(tmp_path, {"b": "two.safetensors", "a": "one.safetensors"})
    layout = read_layout(tmp_path)
    assert list(layout.places) == ["a", "b"]
    assert layout.places["b"].path == tmp_path / "two.safetensors"


def test_the_only_safetensors_file_of_a_folder_is_the_model(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "diffusion_pytorch_model.safetensors")
    assert list(read_layout(tmp_path).places) == ["a"]
    assert list(read_layout(tmp_path / "diffusion_pytorch_model.safetensors").places) == ["a"]


@pytest.mark.parametrize(
    "name",
    ["../two.safetensors", "/etc/two.safetensors", "x/two.safetensors", "..", "", 3, None,
     ".two.safetensors", "a\\two.safetensors", "c:two.safetensors", "two\n.safetensors", "two"],
)  # fmt: skip
def test_a_shard_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: object) -> None:
    shards(tmp_path, {"a": "one.safetensors", "b": name})
    assert "the shard of b must be the plain name" in refusal(tmp_path)


def test_a_tensor_that_is_not_in_its_shard_is_named(tmp_path: Path) -> None:
    shards(tmp_path, {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"})
    assert "says that c is in two.safetensors, and it is not" in refusal(tmp_path)


def test_a_tensor_that_the_index_does_not_list_is_named(tmp_path: Path) -> None:
    shards(tmp_path, {"a": "one.safetensors"})
    save_file({"a": torch.zeros(2), "stray": torch.zeros(1)}, tmp_path / "one.safetensors")
    assert "one.safetensors holds stray" in refusal(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    shards(tmp_path, {"a": "one.safetensors", "b": "three.safetensors"})
    assert "three.safetensors cannot be read" in refusal(tmp_path)


def test_several_files_without_an_index_are_refused(tmp_path: Path) -> None:
    shards(tmp_path, {})
    (tmp_path / "model.safetensors.index.json").unlink()
    assert "2 safetensors files" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "weights.pt", "w.pth"])
def test_pickles_are_refused_with_the_way_to_convert_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert "weights_only=True" in refusal(tmp_path)
    assert "runs code" in refusal(tmp_path / name)


def test_an_adapter_is_refused_with_the_way_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    save_file({"a": torch.zeros(2)}, tmp_path / "adapter_model.safetensors")
    assert f"Write lora:{tmp_path}" in refusal(tmp_path)


def test_an_empty_folder_says_what_a_model_is(tmp_path: Path) -> None:
    assert "holds no safetensors file" in refusal(tmp_path)


def test_a_folder_of_models_names_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "config.json").write_text("{}")
    with pytest.raises(SourceError) as caught:
        read_layout(tmp_path / "all")
    assert caught.value.hint == f"Give one of the models in it (a, b), such as {tmp_path}/all/a."


def test_float8_weights_are_refused(tmp_path: Path) -> None:
    tensor = torch.zeros(4).to(torch.float8_e4m3fn)
    save_file({"w": tensor}, tmp_path / "model.safetensors")
    assert "w is F8_E4M3" in refusal(tmp_path)


def test_quantised_weights_are_known_by_their_config(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(4, dtype=torch.int8)}, tmp_path / "model.safetensors")
    config = {"quantization_config": {"quant_method": "bitsandbytes"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "bitsandbytes" in refusal(tmp_path)


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(4)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert "config.json is not valid JSON" in refusal(tmp_path)

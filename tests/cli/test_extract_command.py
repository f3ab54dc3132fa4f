"""`extract`: what fine-tuning changed, as an adapter."""

import json

from merger.checkpoint import FileCheckpoint


def test_extract_says_what_each_number_of_directions_holds(run, family, tmp_path):
    sources = f"file:{family}/alpha", "--base", f"file:{family}/base"
    said = run("extract", *sources, "--energy", "0.8", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "14 matrices" in said.out and "of the change is lost" in said.out
    assert "RANK  ENERGY" in said.out and "MATRIX" in said.out and "100.00%" in said.out
    assert "90% takes rank" in said.out and "energy.html" in said.out
    assert "stored whole: model.embed_tokens.weight" in said.out
    said = run("extract", *sources, "--rank", 3, "--out", tmp_path / "small", "--json")
    assert said.code == 0 and said.json["rank"] == 3 and said.json["ranks"] == [1, 2, 4, 8, 16]
    assert set(said.json["fits"][0]) == {"key", "rank", "error", "exact", "energy"}
    curve = said.json["curve"]
    assert curve == json.loads((tmp_path / "small" / "energy.json").read_text())
    assert curve["rank"] == 3 and curve["error"] == said.json["error"] and curve["written"]
    base = FileCheckpoint(family / "base")
    assert curve["full_bytes"] == sum(info.nbytes for info in base.tensors.values())
    weights = (tmp_path / "small" / "adapter_model.safetensors").stat().st_size
    assert 0 < weights - curve["adapter_bytes"] < 20_000  # the file's header
    assert curve["ranks"] == [*range(1, 17)]
    assert (tmp_path / "small" / "energy.html").is_file()
    said = run("extract", *sources, "--out", tmp_path / "none")
    assert said.code == 1 and "needs a rank or an energy" in said.err
    assert run("verify", tmp_path / "small").code == 0

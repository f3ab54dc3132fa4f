"""`merge` with LoRA adapters, and into one."""

from merger.checkpoint import FileCheckpoint
from tests.adapters import factors, save_adapter

Q = "model.layers.0.self_attn.q_proj"


def written(family, tmp_path) -> str:
    for i, name in enumerate("ab"):
        save_adapter(tmp_path / name, {Q: factors(10 * i, 16, 16, 1 + i)}, lora_alpha=0.01)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "version: 1\nmethod: task_arithmetic\nparams: {scale: 1}\n"
        f"base: 'file:{family}/base'\nexperts: ['lora:{tmp_path}/a', 'lora:{tmp_path}/b']\n"
    )
    return str(path)


def test_adapters_merge_into_a_model(run, family, tmp_path):
    said = run("merge", written(family, tmp_path), "--out", tmp_path / "out")
    assert said.code == 0, said.err
    merged, base = FileCheckpoint(tmp_path / "out"), FileCheckpoint(family / "base")
    changed = [key for key in base.tensors if not merged.read(key).equal(base.read(key))]
    assert changed == [f"{Q}.weight"]
    assert run("doctor", written(family, tmp_path)).code == 0


def test_adapters_merge_into_an_adapter_and_say_what_is_lost(run, family, tmp_path):
    path = written(family, tmp_path)
    said = run("merge", path, "--out", tmp_path / "whole", "--adapter", 3, "--json")
    assert said.code == 0, said.err
    assert said.json["rank"] == 3 and said.json["error"] < 1e-6
    assert [fit["key"] for fit in said.json["fits"]] == [f"{Q}.weight"]
    less = run("merge", path, "--out", tmp_path / "less", "--adapter", 1)
    assert less.code == 0 and "rank 1" in less.out and "% of the change is lost" in less.out
    assert run("merge", path, "--out", tmp_path / "less", "--adapter", 0).code == 2


def test_options_that_mean_nothing_for_an_adapter_are_refused_by_name(run, recipe, tmp_path):
    options = ["--memory", "1GiB", "--device", "cuda", "--resume", "--no-sync"]
    said = run("merge", recipe(), "--out", tmp_path / "out", "--adapter", 2, *options)
    assert said.code == 1
    assert "knows no --device, --memory, --resume, --no-sync" in said.err
    assert not (tmp_path / "out").exists()

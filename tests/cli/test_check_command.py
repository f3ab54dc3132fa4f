"""`check`, and `merge --check`."""

from safetensors.torch import load_file, save_file


def test_a_merge_is_checked_as_soon_as_it_is_written(run, recipe, tmp_path):
    out = tmp_path / "out"
    said = run("merge", recipe(), "--out", out, "--check")
    assert said.code == 0, said.err
    assert "It loads whole, it answers with finite numbers" in said.out
    said = run("check", out, "--prompt", "12", "--json")
    assert said.code == 0 and said.json["answer"]["asked"] == "“12”"
    tensors = load_file(out / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"].zero_()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    said = run("check", out)
    assert said.code == 1
    assert "model.safetensors is changed since it was written" in said.out
    assert "error: there is nothing but zeros in model.layers.1.mlp.down_proj.weight" in said.out
    said = run("merge", recipe(), "--out", tmp_path / "a", "--check", "--adapter", 2)
    assert said.code == 1 and "--adapter writes none" in said.err


def test_merge_tells_programs_what_the_check_found(run, recipe, tmp_path):
    said = run("merge", recipe(), "--out", tmp_path / "out", "--check", "--json")
    assert said.code == 0 and [check["is_well"] for check in said.json["check"]] == [True]

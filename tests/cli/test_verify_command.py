"""`verify`, and what `merge` may be told about its files."""

import json

from transformers import AutoModelForCausalLM
from transformers.utils import logging


def test_verify_says_whether_the_files_are_those_that_were_written(run, recipe, tmp_path):
    out = tmp_path / "out"
    assert run("merge", recipe(), "--out", out, "--shard-size", "8KB").code == 0
    shards = sorted(out.glob("*.safetensors"))
    assert len(shards) > 1 and (out / "model.safetensors.index.json").is_file()
    # A tensor larger than a shard has a file of its own.
    assert sum(path.stat().st_size > 11_000 for path in shards) <= 1
    logging.disable_progress_bar()
    _, told = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    logging.enable_progress_bar()
    assert not any(told.values())
    said = run("verify", out)
    assert (said.code, said.out) == (
        0,
        f"All {len(list(out.iterdir())) - 1} files are as they were written.\n",
    )
    (out / "config.json").unlink()
    said = run("verify", out, "--json")
    assert said.code == 1 and not said.json["is_well"]
    assert "config.json is missing" in said.json["verdict"]
    assert run("verify", tmp_path, "--json").json["error"]["type"] == "SourceError"


def test_scores_from_a_file_stand_in_the_card(run, recipe, family, tmp_path):
    path = recipe()
    scored = run("score", path, "--tasks", f"text:{family}/text.txt", "--json")
    assert scored.code == 0, scored.err
    (tmp_path / "scores.json").write_text(scored.out)
    said = run("merge", path, "--out", tmp_path / "out", "--scores", tmp_path / "scores.json")
    assert said.code == 0, said.err
    found = json.loads(scored.out)
    task = found["tasks"][0]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"{task['value']:.4f} | {task['low']:.4f} to {task['high']:.4f}" in card
    other = recipe("seed: 5\n")
    said = run("merge", other, "--out", tmp_path / "two", "--scores", tmp_path / "scores.json")
    assert said.code == 1 and "The scores are of the merge" in said.err

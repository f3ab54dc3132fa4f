"""`import-mergekit` and `export-mergekit` from the command line."""

import json

import yaml


def config(family, folder, extra: str = ""):
    path = folder / "config.yml"
    path.write_text(
        f"merge_method: ties\nbase_model: {family}/base\ndtype: float32\nmodels:\n"
        + "".join(
            f"- model: {family}/{name}\n  parameters: {{weight: 0.5, densty: 1}}\n"
            for name in ("alpha", "beta")
        )
        + "parameters: {density: [{filter: mlp, value: 0.5}, {value: 1.0}]}\n"
        + extra,
        "utf-8",
    )
    return path


def test_a_configuration_becomes_a_recipe_that_merges(run, family, tmp_path):
    path = tmp_path / "recipe.yaml"
    said = run("import-mergekit", config(family, tmp_path), "--out", path)
    assert said.code == 0, said.err
    assert said.out == "" and "trap: mergekit ignores 'densty'." in said.err
    assert "Did you mean 'density'?" in said.err
    assert "*mlp*" in path.read_text("utf-8")
    said = run("merge", path, "--out", tmp_path / "out")
    assert said.code == 0, said.err


def test_out_and_in_again_is_the_same_recipe(run, family, tmp_path):
    recipe = run("import-mergekit", config(family, tmp_path)).out
    said = run("export-mergekit", "-", given=recipe.encode())
    assert said.code == 0 and yaml.safe_load(said.out)["merge_method"] == "ties"
    (tmp_path / "again.yml").write_text(said.out, "utf-8")
    assert run("import-mergekit", tmp_path / "again.yml").out == recipe


def test_results_and_errors_as_json(run, family, tmp_path):
    path = config(family, tmp_path)
    (found,) = run("import-mergekit", path, "--json").json
    assert set(found) == {"name", "recipe", "findings"}
    assert found["findings"][0]["severity"] == "trap"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(found["recipe"]), "utf-8")
    assert set(run("export-mergekit", recipe, "--json").json) == {"text", "findings"}
    said = run("import-mergekit", config(family, tmp_path, "modules: {a: {}}\n"), "--json")
    assert said.code == 1 and said.json["error"]["type"] == "RecipeError"


def test_what_is_there_is_not_written_over(run, family, tmp_path):
    path = config(family, tmp_path)
    before = path.read_text("utf-8")
    said = run("import-mergekit", path, "--out", path)
    assert said.code == 1 and "exists already" in said.err
    assert path.read_text("utf-8") == before


def test_stages_are_written_side_by_side(run, family, tmp_path):
    path = tmp_path / "stages.yml"
    path.write_text(
        f"name: mean\nmerge_method: linear\nmodels:\n- model: {family}/alpha\n"
        f"- model: {family}/beta\nparameters: {{weight: 1}}\n---\n"
        f"merge_method: task_arithmetic\nbase_model: {family}/base\nmodels: [mean]\n"
        "parameters: {weight: 0.5}\n",
        "utf-8",
    )
    assert run("import-mergekit", path, "--out", tmp_path / "stages").code == 0
    names = sorted(p.name for p in (tmp_path / "stages").iterdir())
    assert names == ["mean.yaml", "recipe.yaml"]
    said = run("merge", tmp_path / "stages" / "recipe.yaml", "--out", tmp_path / "out")
    assert said.code == 0, said.err


def test_a_frankenmerge_goes_from_configuration_to_a_model_that_answers(run, family, tmp_path):
    """Import a stack of layers, look at it, merge it, load it, and write it for mergekit again."""
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  (seconds)

    config = tmp_path / "tall.yml"
    config.write_text(
        "merge_method: passthrough\ndtype: bfloat16\ntokenizer_source: base\n"
        f"base_model: &first {family}/alpha\nslices:\n"
        "- sources: [{model: *first, layer_range: [0, 2]}]\n"
        f"- sources: [{{model: {family}/beta, layer_range: [0, 2]}}]\n"
        "- sources: [{model: *first, layer_range: [1, 2]}]\n",
        "utf-8",
    )
    recipe, out = tmp_path / "tall.yaml", tmp_path / "tall"
    assert run("import-mergekit", config, "--out", recipe).code == 0
    looked = run("doctor", recipe, "--json").json
    assert "can be merged" in looked["verdict"]
    assert run("merge", recipe, "--out", out).code == 0
    model = AutoModelForCausalLM.from_pretrained(out).eval()
    assert model.config.num_hidden_layers == 5
    words = AutoTokenizer.from_pretrained(out)("one two", return_tensors="pt")
    assert model(input_ids=words["input_ids"]).logits.isfinite().all()
    again = yaml.safe_load(run("export-mergekit", recipe).out)
    ranges = [one["sources"][0]["layer_range"] for one in again["slices"]]
    assert ranges == [[0, 2], [0, 2], [1, 2]] and again["tokenizer_source"] == "base"


def test_doctor_refuses_layers_that_are_not_there(run, family, tmp_path):
    recipe = tmp_path / "tall.yaml"
    recipe.write_text(
        "method: passthrough\nexperts:\n- name: tall\n  layers:\n"
        f"  - {{source: 'file:{family}/alpha', from: 1, to: 3}}\n",
        "utf-8",
    )
    said = run("doctor", recipe, "--json")
    assert "alpha has 2 layers, 0 to 1, and layers 1 to 2 are asked for" in str(said.json)
    assert run("merge", recipe, "--out", tmp_path / "out").code == 1

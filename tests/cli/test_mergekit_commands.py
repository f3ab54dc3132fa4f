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

"""What the doctor says of words, templates, ends and generation settings that differ."""

import json
from dataclasses import replace

import pytest

from merger.doctor import doctor
from merger.recipe import Expert, Recipe
from merger.tokenizer_choice import build_tokenizer
from tests.vocabularies import LETTERS, save_speaker

OTHER = ("<unk>", "b", "a", "c", "d", "ab", "cd")


@pytest.fixture
def folder(tmp_path):
    save_speaker(tmp_path / "base", added=("<s>",), bos_token_id=7, eos_token_id=7)
    save_speaker(tmp_path / "one", added=("<s>",), seed=1, bos_token_id=7, eos_token_id=7)
    return tmp_path


def noted(folder, tokenizer=None):
    made = Recipe(
        "linear", (Expert(f"file:{folder}/one", "one"),), base=f"file:{folder}/base",
        tokenizer=build_tokenizer(tokenizer),
    )  # fmt: skip
    report = doctor(made)
    assert report.is_well, report.verdict
    return [p for p in report.problems if p.where == "one"]


def change(folder, name, **settings):
    path = folder / name
    table = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(table | settings), "utf-8")


def test_models_that_speak_alike_are_not_mentioned(folder):
    assert noted(folder) == []


def test_other_words_in_as_many_rows_are_named_unless_the_recipe_chooses(folder):
    save_speaker(folder / "one", words=OTHER, added=("<s>",), bos_token_id=7, eos_token_id=7)
    (note,) = noted(folder)
    assert note.severity == "note"
    assert note.what == (
        "2 tokens differ from base: row 1 is “b” here and “a” there; row 2 is “a” here and “b” "
        "there."
    )
    assert "{source: union}" in note.remedy
    assert noted(folder, {"source": "union"}) == []


def test_a_word_that_only_one_has_is_named_with_nothing_on_the_other_side(folder):
    for name, added in (("base", ()), ("one", ("<tool>",))):
        save_speaker(folder / name, added=added, rows=9)
    (note,) = noted(folder)
    assert note.what == "1 token differs from base: row 7 is “<tool>” here and nothing there."


def test_tokenizers_that_do_not_say_are_compared_as_files(folder):
    for name in ("base", "one"):
        (folder / name / "tokenizer.json").unlink()
        (folder / name / "tokenizer.model").write_bytes(name.encode())
    (note,) = noted(folder)
    assert note.what == "its tokenizer is another one than that of base."


def test_templates_ends_and_generation_settings_are_compared(folder):
    (folder / "one" / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    change(folder / "one", "tokenizer_config.json", eos_token="</s>")
    change(folder / "base", "tokenizer_config.json", eos_token={"content": "<s>"})
    change(folder / "base", "generation_config.json", temperature=1.0, eos_token_id=7)
    change(folder / "one", "generation_config.json", temperature=0.6, eos_token_id=[7, 3])
    template, ends, generation = noted(folder)
    assert template.what == "it has a chat template, and base has none."
    assert "{chat_template: auto}" in template.remedy
    assert ends.what == (
        "eos_token is </s> here and <s> there; eos_token_id is [7, 3] here and 7 there."
    )
    assert generation.what == "it generates otherwise: temperature is 0.6 here and 1.0 there."


def test_settings_of_the_config_that_change_what_numbers_mean_are_compared(folder):
    change(folder / "one", "config.json", rope_parameters={"rope_theta": 5e5}, sliding_window=4)
    (note,) = noted(folder)
    assert "rope_parameters is {'rope_theta': 500000.0} here" in note.what


def test_the_report_says_what_each_model_is(folder):
    save_speaker(folder / "one", words=LETTERS, added=("<s>",), tied=True, dtype="bfloat16")
    made = Recipe("linear", (Expert(f"file:{folder}/one", "one"),), base=f"file:{folder}/base")
    base, one = doctor(made).to_json()["models"]
    assert (base["name"], base["architecture"], base["layers"]) == ("base", "LlamaForCausalLM", 1)
    assert (base["rows"], base["tokens"], base["tied"]) == (8, 8, True)
    # q and o are 8 by 8, k and v 4 by 8, three matrices of the MLP 8 by 8, three norms, 8 rows.
    assert base["parameters"] == 2 * 64 + 2 * 32 + 3 * 64 + 3 * 8 + 64
    assert (
        base["dtypes"] == {"F32": base["parameters"]} and base["bytes"] == 4 * base["parameters"]
    )
    assert one["dtypes"] == {"BF16": one["parameters"]}


def test_a_word_without_a_row_leaves_a_choice(folder):
    for name in ("base", "one"):
        save_speaker(folder / name, added=("<s>", "<tool>"), rows=8)
    made = Recipe("linear", (Expert(f"file:{folder}/one", "one"),), base=f"file:{folder}/base")
    report = doctor(made)
    assert not report.is_well and report.words == "differ"
    assert "gives <tool> the id 8, and the embedding has 8 rows" in report.verdict
    chosen = replace(made, tokenizer=build_tokenizer({"source": "base"}))
    assert doctor(chosen).is_well and doctor(chosen).words == "chosen"

"""Models with different words are merged: rows, files, ids and counts of the result."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from merger import Recipe, merge
from merger.adapted import change_of
from merger.chat_templates import template_of
from merger.doctor import doctor
from merger.errors import AlignmentError, RecipeError
from merger.in_memory import merge_in_memory
from merger.live import SETS, LiveSet
from merger.matched import plain
from merger.models import open_models
from merger.recipe import Expert
from merger.refactor import merge_to_adapter
from merger.sources import open_source
from merger.tasks import choose_tasks
from merger.tokenizer_choice import build_tokenizer
from tests.adapters import factors, save_adapter
from tests.vocabularies import LETTERS, MERGES, save_speaker

EMBED = "model.embed_tokens.weight"
BIGGER = (*LETTERS, "e", "abe")
MORE = (*MERGES, ("ab", "e"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A base, an expert with two more words and a tool, and one whose ids are in another order."""
    root = tmp_path_factory.mktemp("speakers")
    save_speaker(root / "base", added=("<s>",), bos_token_id=7, eos_token_id=7)
    save_speaker(root / "one", words=BIGGER, merges=MORE, added=("<s>", "<tool>"), seed=1,
                 bos_token_id=9, eos_token_id=9)  # fmt: skip
    save_speaker(root / "two", words=("<unk>", "ab", "a", "b", "c", "d", "cd"), added=("<s>",),
                 rows=12, seed=2)  # fmt: skip
    return root


def recipe(folder, tokenizer, experts=("one", "two"), method="linear", base=True, **more):
    return Recipe(
        method,
        tuple(Expert(f"file:{folder}/{name}", name) for name in experts),
        base=f"file:{folder}/base" if base else None,
        tokenizer=build_tokenizer(tokenizer),
        **more,
    )


def rows_of(path, key=EMBED):
    """Return the row of each token, by the tokenizer that lies there."""
    table = open_source(f"file:{path}").read(key).float()
    ids = AutoTokenizer.from_pretrained(path).get_vocab()
    width = 8
    return {token: table[i * width : (i + 1) * width] for token, i in ids.items()}


def test_different_rows_without_a_choice_are_refused_in_words_that_name_the_choices(
    folder, tmp_path
):
    made = recipe(folder, None)
    with pytest.raises(AlignmentError, match=r"\[10, 8\]|\[11, 8\]") as caught:
        merge(made, tmp_path / "out")
    assert "tokenizer: {source: union}" in caught.value.hint
    report = doctor(made)
    assert not report.is_well and "{source: union}" in report.verdict


def test_a_union_holds_every_models_words_and_each_row_is_merged_by_its_word(folder, tmp_path):
    out = merge(recipe(folder, {"source": "union"}), tmp_path / "out")
    base, one, two, merged = (
        rows_of(path) for path in (*(folder / n for n in ("base", "one", "two")), out)
    )
    assert list(merged) and set(merged) == set(one)
    for token in base:
        assert torch.allclose(merged[token], (one[token] + two[token]) / 2, atol=1e-6), token
    for token in ("e", "abe", "<tool>"):
        assert merged[token].equal(one[token]), token
    # The ids of the base stay, new words come after them.
    read = AutoTokenizer.from_pretrained(out)
    assert read("abe<tool>cd")["input_ids"] == [9, 10, 6]
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config["vocab_size"] == 11 and config["bos_token_id"] == 7
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    logits = model(torch.tensor([[9, 10, 6]])).logits
    assert logits.shape[-1] == 11 and logits.isfinite().all()


def test_task_vectors_of_words_that_a_model_lacks_are_zero(folder, tmp_path):
    made = recipe(folder, {"source": "union"}, method="task_arithmetic", params={"scale": 1.0})
    out = merge(made, tmp_path / "out")
    base, one, two, merged = (
        rows_of(path) for path in (*(folder / n for n in ("base", "one", "two")), out)
    )
    for token in base:
        assert torch.allclose(merged[token], one[token] + two[token] - base[token], atol=1e-5)
    assert torch.allclose(merged["<tool>"], one["<tool>"], atol=1e-6)


def test_another_models_words_bring_its_files_and_its_special_ids(folder, tmp_path):
    out = merge(recipe(folder, {"source": "one"}), tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (folder / "one" / name).read_bytes()
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert (config["vocab_size"], config["bos_token_id"], config["eos_token_id"]) == (11, 9, 9)
    one, two, merged = (rows_of(path) for path in (folder / "one", folder / "two", out))
    for token in two:
        assert torch.allclose(merged[token], (one[token] + two[token]) / 2, atol=1e-6), token


def test_the_bases_words_leave_rows_beyond_them_out_and_copy_its_files(folder, tmp_path):
    out = merge(recipe(folder, {"source": "base"}), tmp_path / "out")
    base = folder / "base"
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert (out / "config.json").read_bytes() == (base / "config.json").read_bytes()
    assert open_source(f"file:{out}").tensors[EMBED].shape == (8, 8)


def test_rows_beyond_the_words_are_kept(folder, tmp_path):
    made = recipe(folder, {"source": "union"}, ("two", "one"), base=False)
    out = merge(made, tmp_path / "out")
    table = open_source(f"file:{out}").read(EMBED).reshape(-1, 8)
    spare = open_source(f"file:{folder}/two").read(EMBED).reshape(-1, 8)[11]
    assert len(table) == 12 and table[11].equal(spare)
    assert list(rows_of(out)) and len(rows_of(out)) == 11


def test_rows_are_padded_with_the_mean_and_single_tokens_set(folder, tmp_path):
    tokens = {"<x>": {"source": "one", "token": "e"}, "e": {"source": "zero", "force": True}}
    made = recipe(folder, {"source": "union", "tokens": tokens, "pad_to_multiple_of": 8})
    out = merge(made, tmp_path / "out")
    table = open_source(f"file:{out}").read(EMBED).reshape(-1, 8)
    merged, one = rows_of(out), rows_of(folder / "one")
    assert len(table) == 16 and len(merged) == 12
    assert merged["<x>"].equal(one["e"]) and not merged["e"].any()
    assert torch.allclose(table[12], table[:12].mean(0), atol=1e-6)
    assert table[15].equal(table[12])
    report = doctor(made)
    assert report.is_well and report.parameters == sum(
        i.numel for i in open_source(f"file:{out}").tensors.values()
    )
    assert any("4 tokens" in p.what and "<tool>" in p.what for p in report.problems)


def test_an_own_head_moves_with_the_embedding(folder, tmp_path):
    for name, seed, words in (("base", 0, LETTERS), ("one", 1, BIGGER)):
        save_speaker(tmp_path / name, words=words, seed=seed, tied=False)
    out = merge(recipe(tmp_path, {"source": "union"}, ("one",)), tmp_path / "out")
    for key in (EMBED, "lm_head.weight"):
        merged, one = rows_of(out, key), rows_of(tmp_path / "one", key)
        assert all(merged[token].equal(one[token]) for token in one)


def test_saved_and_in_memory_are_the_same_numbers_and_the_digest_follows_the_rows(
    folder, tmp_path
):
    made = recipe(folder, {"source": "union"}, method="ties")
    saved = open_source(f"file:{merge(made, tmp_path / 'out')}")
    whole = merge_in_memory(made)
    live = LiveSet.open(made)
    try:
        seen = live.merge(made)
        for key, tensor in whole.tensors.items():
            assert saved.read(key).equal(tensor.flatten())
            assert seen.stored(key).equal(tensor)
        assert (
            seen.digest
            == whole.digest
            != merge_in_memory(recipe(folder, {"source": "one"}, method="ties")).digest
        )
        assert not live.models.covers(recipe(folder, {"source": "one"}, method="ties"))
    finally:
        SETS.clear()


def test_texts_are_scored_with_the_tokenizer_whose_ids_the_rows_have(folder, tmp_path):
    (tmp_path / "text.txt").write_text("ab cd " * 40, "utf-8")
    live = LiveSet.open(recipe(folder, {"source": "one"}))
    try:
        (task,) = choose_tasks([f"text:{tmp_path / 'text.txt'}"], live.models.reference)
        assert task.model_folder == folder / "one"
    finally:
        SETS.clear()


def test_an_adapter_cannot_hold_moved_rows(folder, tmp_path):
    with pytest.raises(RecipeError, match="moves rows of the embedding"):
        merge_to_adapter(recipe(folder, {"source": "union"}), tmp_path / "out", 2)


def test_a_recipe_inside_lends_the_tokenizer_that_it_makes(folder, tmp_path):
    made = recipe(folder, {"source": "union"})
    path = tmp_path / "inner.yaml"
    path.write_text(made.to_yaml(), "utf-8")
    whole = merge(made, tmp_path / "whole")
    outer = Recipe("linear", (Expert(f"recipe:{path}", "inner"),))
    out = merge(outer, tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config == json.loads((whole / "config.json").read_text("utf-8"))


def test_a_model_without_a_tokenizer_speaks_like_the_base_or_is_refused(folder, tmp_path):
    for name in ("base", "one"):
        save_speaker(tmp_path / name, words=BIGGER if name == "one" else LETTERS, seed=3)
    for rows, name in ((7, "like"), (9, "unlike")):
        bare = save_speaker(tmp_path / name, rows=rows, seed=4)
        for file in bare.glob("tokenizer*"):
            file.unlink()
    out = merge(recipe(tmp_path, {"source": "union"}, ("one", "like")), tmp_path / "out")
    assert open_source(f"file:{out}").tensors[EMBED].shape == (9, 8)
    with pytest.raises(
        AlignmentError, match="unlike has no tokenizer, so nobody knows its 9 rows"
    ):
        merge(recipe(tmp_path, {"source": "union"}, ("one", "unlike")), tmp_path / "out2")


def test_a_template_goes_with_a_new_tokenizer(folder, tmp_path):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    made = recipe(folder, {"source": "union", "chat_template": template})
    assert template_of(merge(made, tmp_path / "out")) == template


def test_an_adapter_keeps_its_exact_changes_where_no_row_is_moved(folder, tmp_path):
    q, d = "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj"
    save_adapter(tmp_path / "lora", {q: factors(0, 8, 8, 2), d: factors(5, 8, 8, 2)}, r=2)
    experts = (Expert(f"lora:{tmp_path}/lora", "lora"), Expert(f"file:{folder}/one", "one"))
    made = Recipe(
        "task_arithmetic", experts, base=f"file:{folder}/base", params={"scale": 1.0},
        tokenizer=build_tokenizer({"source": "union"}),
    )  # fmt: skip
    models = open_models(made)
    lora = models.experts[0]
    assert change_of(lora, models.base, f"{q}.weight").equal(plain(lora).change(f"{q}.weight"))
    assert change_of(lora, models.base, EMBED) is None
    assert change_of(models.experts[1], models.base, EMBED) is None
    merged = merge_in_memory(made).tensors
    one = open_source(f"file:{folder}/one")
    # The adapter does not touch embeddings: what it lacks stands in, and changes nothing.
    ids = AutoTokenizer.from_pretrained(folder / "one").get_vocab()
    assert torch.allclose(merged[EMBED][10], one.read(EMBED).reshape(-1, 8)[ids["<tool>"]])

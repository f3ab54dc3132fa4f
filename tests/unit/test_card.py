"""The model card says what went in, and shows foreign text as text."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from merger.card import Origin, model_card, origin_of, read_checksums
from merger.front_matter import read_front_matter
from merger.recipe import Expert, Recipe, Rule
from merger.sources import open_source

RECIPE = Recipe(
    "ties",
    (Expert("a", "maths"), Expert("b", "code")),
    base="base",
    rules=(Rule("*.bias", take="base"),),
    out_dtype="bfloat16",
)
ORIGINS = (
    Origin("base", "llama", "0" * 40, "apache-2.0"),
    Origin("expert", "maths", "1" * 40, "apache-2.0"),
    Origin("expert", "code", "2" * 40, "apache-2.0"),
)


def card(**changes: object) -> str:
    given = {"title": "out", "recipe": RECIPE.resolved(), "origins": ORIGINS, "digest": "f" * 64}
    return model_card(**(given | changes))  # type: ignore[arg-type]


def front(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_card_names_models_settings_and_digest() -> None:
    text = card()
    assert front(text) == {
        "base_model": ["llama", "maths", "code"],
        "base_model_relation": "merge",
        "library_name": "transformers",
        "license": "apache-2.0",
        "tags": ["merge", "mergescope"],
    }
    assert "Made from 2 fine-tuned models with **TIES**" in text
    assert "| base | llama | apache-2.0 | `0000000000000000` |" in text
    assert "| density | 0.2 |" in text
    assert "| rule: \\*.bias | \\{'take': 'base'\\} |" in text
    assert "| out\\_dtype | bfloat16 |" in text
    assert "f" * 64 in text


def test_licences_that_differ_or_are_missing_are_said_and_not_chosen() -> None:
    mixed = card(origins=(ORIGINS[0], ORIGINS[1]._replace(license="cc-by-nc-4.0")))
    assert "license" not in front(mixed)
    assert "The models state apache-2.0, cc-by-nc-4.0: all of these terms hold" in mixed
    silent = card(origins=(ORIGINS[0], ORIGINS[1]._replace(license="")))
    assert "apache-2.0, and some state none" in silent
    assert "None of the models states a licence" in card(origins=[Origin("base", "x", "0", "")])


def test_a_licence_that_the_hub_has_no_word_for_is_given_by_its_name() -> None:
    own = [origin._replace(license="own-words", is_own=True) for origin in ORIGINS]
    assert {"license: other", "license_name: own-words"} <= set(card(origins=own).splitlines())
    both = [origin._replace(license="mit + apache-2.0") for origin in ORIGINS]
    assert "license:" not in card(origins=both)
    assert "All models state mit + apache-2.0" in card(origins=both)


def test_scores_are_shown_where_there_are_any() -> None:
    assert "Scores" not in card()
    row = dict(task="a|b", metric="bits_per_byte", value=1.23456, low=1.2, high=1.25, n=12_000)
    text = card(scores={"split": "validation", "tasks": [row], "digest": "f" * 64})
    wanted = "| a\\|b | bits per byte | 1.2346 | 1.2000 to 1.2500 | 12,000 of validation |"
    assert wanted in text and "95 % interval" in text


def test_files_are_listed_so_that_they_can_be_read_again() -> None:
    files = {
        "model.safetensors": (1_234_567, "xxh128:" + "0" * 32),
        "config.json": (2, "sha256:" + "a" * 64),
    }
    text = card(files=files)
    assert f"| `config.json` | 2 | `sha256:{'a' * 64}` |" in text
    assert read_checksums(text) == files
    assert read_checksums(card(files={"../x": (1, "sha256:00"), "a`b": (1, "sha256:00")})) == {}
    assert "## Files" not in card()


def test_foreign_text_is_neither_markup_nor_yaml(tmp_path: Path) -> None:
    nasty = '<script>alert(1)</script> | [x](javascript:1) ${A} `b`\n---\nlicense: "x'
    text = card(title=nasty, origins=[Origin("base", nasty, "0" * 40, nasty)])
    one_line = nasty.replace("\n", " ")
    _, block, body = text.split("---\n", 2)
    assert yaml.safe_load(block)["base_model"] == [one_line]
    assert "<" not in body.replace("\\<", "")
    path = tmp_path / "README.md"
    path.write_text(text)
    assert read_front_matter(path)["license"] == one_line
    assert "# \\<script\\>alert(1)\\</script\\> \\| \\[x\\](javascript:1) \\$" in text


def test_the_licence_is_read_from_the_models_own_card(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "model.safetensors")
    model = open_source(str(tmp_path))
    assert origin_of("base", "x", model).license == ""
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert origin_of("base", "x", model) == Origin("base", "x", model.content_id(), "mit")
    (tmp_path / "README.md").write_text("---\nlicense: [mit\n---\n")
    assert origin_of("base", "x", model).license == ""

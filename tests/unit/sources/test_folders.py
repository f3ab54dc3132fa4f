"""Which subfolders are models, and which of them is the base."""

import json
from pathlib import Path

import pytest

from merger.errors import SourceError
from merger.sources import list_models


def model(folder: Path, name: str, readme: str = "", **config: object) -> None:
    (folder / name).mkdir()
    (folder / name / "config.json").write_text(json.dumps(config))
    if readme:
        (folder / name / "README.md").write_text(readme)


def base_of(folder: Path) -> str | None:
    return next((found.name for found in list_models(folder) if found.is_base), None)


def test_each_subfolder_with_a_config_is_a_model(tmp_path: Path) -> None:
    model(tmp_path, "b", architectures=["LlamaForCausalLM"])
    model(tmp_path, "a", model_type="bert")
    (tmp_path / "notes").mkdir()
    found = list_models(tmp_path)
    assert [(m.name, m.source, m.architecture) for m in found] == [
        ("a", "file:a", "bert"),
        ("b", "file:b", "LlamaForCausalLM"),
    ]


def test_the_base_is_the_one_that_the_others_name_in_their_card(tmp_path: Path) -> None:
    model(tmp_path, "llama")
    model(tmp_path, "maths", readme="---\nbase_model: org/llama\n---\n# Maths\n")
    model(tmp_path, "code", readme="---\nbase_model:\n- /home/x/llama\n---\n")
    assert base_of(tmp_path) == "llama"


def test_the_base_is_the_one_that_the_others_name_in_their_config(tmp_path: Path) -> None:
    model(tmp_path, "first")
    model(tmp_path, "second", _name_or_path="first")
    model(tmp_path, "base", base_model_name_or_path="first")
    assert base_of(tmp_path) == "first"


def test_a_folder_called_base_is_the_base_when_nothing_is_said(tmp_path: Path) -> None:
    model(tmp_path, "base")
    model(tmp_path, "other", _name_or_path="other")
    assert base_of(tmp_path) == "base"


def test_the_user_picks_when_two_are_named_as_often(tmp_path: Path) -> None:
    model(tmp_path, "a", _name_or_path="b")
    model(tmp_path, "b", _name_or_path="a")
    assert base_of(tmp_path) is None


def test_a_damaged_config_or_card_hides_no_model(tmp_path: Path) -> None:
    model(tmp_path, "good")
    model(tmp_path, "bad", readme="---\n!!python/object:os.system\n---\n")
    (tmp_path / "bad" / "config.json").write_text("{")
    assert [m.name for m in list_models(tmp_path)] == ["bad", "good"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        list_models(tmp_path / "gone")

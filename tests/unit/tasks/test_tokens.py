"""A text in tokens: what each stands for, how many bytes follow, and what does not fit."""

import json
from pathlib import Path

import pytest

from merger.errors import TaskError
from merger.tasks.tokens import Tokens, tokens_of, window_length
from tests.builders import WINDOW, byte_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of one token a byte, and a config with a short window."""
    folder = tmp_path_factory.mktemp("tokens") / "base"
    byte_tokenizer().save_pretrained(folder)
    config = {"model_type": "llama", "max_position_embeddings": WINDOW}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_first_token_is_context_and_letters_of_two_bytes_are_told(folder: Path) -> None:
    pieces = Tokens(folder).cut("aéb")
    assert len(pieces.ids) == 4 and pieces.words == ("a", "é", "", "b")
    assert pieces.bytes == 3 and pieces.left_out == 0


def test_of_a_long_text_the_end_is_kept(folder: Path) -> None:
    tokens = Tokens(folder)
    pieces = tokens.cut("x" * 10 + "y" * WINDOW)
    assert tokens.window == WINDOW == len(pieces.ids)
    assert pieces.left_out == 10 and set(pieces.words) == {"y"} and pieces.bytes == WINDOW - 1
    assert tokens.text([int(i) for i in pieces.ids[:3]]) == "yyy"


def test_nothing_typed_is_told(folder: Path) -> None:
    with pytest.raises(TaskError, match="no text"):
        Tokens(folder).cut("")


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(TaskError, match="must hold a tokenizer"):
        tokens_of(tmp_path)
    assert window_length(tmp_path) == 128


def test_a_tokenizer_is_read_once_until_its_files_change(folder: Path) -> None:
    first = tokens_of(folder)
    assert tokens_of(folder) is first
    byte_tokenizer().save_pretrained(folder)
    assert tokens_of(folder) is not first

"""New tokenizers, as the tokenizers library and transformers read them; vocabularies read back."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from merger.errors import AlignmentError, SourceError
from merger.tokenizer_files import MadeTokenizer
from merger.vocabulary import read_vocabulary
from tests.vocabularies import LETTERS, MERGES, tokenizer_of


def save(folder: Path, *args, **kwargs) -> Path:
    tokenizer_of(*args, **kwargs).save_pretrained(folder)
    return folder


def made(tmp_path: Path, donor: Path, others: tuple[Path, ...], *new: str):
    ids = dict(read_vocabulary(donor).ids)
    ids |= {token: len(ids) + i for i, token in enumerate(new)}
    out = tmp_path / "out"
    out.mkdir()
    MadeTokenizer(donor, others, ids).write(out)
    assert dict(read_vocabulary(out).ids) == ids
    return AutoTokenizer.from_pretrained(out)


def test_new_words_keep_their_merges_and_new_special_tokens_stay_special(tmp_path):
    base = save(tmp_path / "base", added=("<s>",))
    one = save(tmp_path / "one", (*LETTERS, "e", "abe"), (*MERGES, ("ab", "e")), ("<s>", "<tool>"))
    read = made(tmp_path, base, (one,), "e", "abe", "<tool>", "<x>")
    assert read.tokenize("abe <tool> cd<x> e") == ["abe", "<tool>", "cd", "<x>", "e"]
    assert read("abe<x>")["input_ids"] == [9, 11]
    assert read.added_tokens_decoder[10].special and not read.added_tokens_decoder[11].special


def test_texts_of_old_words_are_cut_as_before(tmp_path):
    base = save(tmp_path / "base")
    # This one makes "ab" of other parts, and "bc", which is new, before all others.
    one = save(tmp_path / "one", (*LETTERS, "bc"), (("b", "c"), ("a", "b")))
    read = made(tmp_path, base, (one,), "bc")
    assert read.tokenize("abc abd") == ["ab", "c", "ab", "d"]
    assert read.tokenize("bc") == ["bc"]


def test_merges_that_lead_through_unknown_words_are_left_out(tmp_path):
    base = save(tmp_path / "base")
    one = save(tmp_path / "one", (*LETTERS, "bb", "bba"), (("b", "b"), ("bb", "a")))
    read = made(tmp_path, base, (one,), "bba")
    assert read.tokenize("bba") == ["b", "b", "a"]


@pytest.mark.parametrize("kind", ["WordLevel", "Unigram"])
def test_other_kinds_of_tokenizers_are_extended_too(tmp_path, kind):
    base = save(tmp_path / "base", kind=kind, added=("<s>",))
    one = save(tmp_path / "one", (*LETTERS, "new"), kind=kind)
    read = made(tmp_path, base, (one,), "new")
    assert read("a new <s>")["input_ids"] == [1, 8, 7]


def test_words_of_another_kind_become_added_tokens(tmp_path):
    base = save(tmp_path / "base")
    one = save(tmp_path / "one", (*LETTERS, "new"), kind="WordLevel")
    read = made(tmp_path, base, (one,), "new")
    assert read.tokenize("ab new") == ["ab", "new"]
    assert 7 in read.added_tokens_decoder


def test_merges_written_as_text_become_pairs_with_those_that_are_added(tmp_path):
    base = save(tmp_path / "base")
    table = json.loads((base / "tokenizer.json").read_text("utf-8"))
    table["model"]["merges"] = ["a b", "c d"]
    (base / "tokenizer.json").write_text(json.dumps(table), "utf-8")
    one = save(tmp_path / "one", (*LETTERS, "abcd"), (*MERGES, ("ab", "cd")))
    assert made(tmp_path, base, (one,), "abcd").tokenize("abcd") == ["abcd"]


def test_the_list_of_added_tokens_beside_it_is_kept_true(tmp_path):
    base = save(tmp_path / "base", added=("<s>",))
    path = base / "tokenizer_config.json"
    table = json.loads(path.read_text("utf-8"))
    table["added_tokens_decoder"] = {"7": {"content": "<s>", "special": True}}
    path.write_text(json.dumps(table), "utf-8")
    read = made(tmp_path, base, (), "<tool>")
    said = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text("utf-8"))
    assert sorted(said["added_tokens_decoder"]) == ["0", "7", "8"]
    assert read("<tool>")["input_ids"] == [8]


def test_ids_that_tokenizers_cannot_give_are_refused(tmp_path):
    base = save(tmp_path / "base")
    (tmp_path / "out").mkdir()
    ids = dict(read_vocabulary(base).ids) | {"far": 99}
    with pytest.raises(AlignmentError, match="'far' has the id 7, not 99"):
        MadeTokenizer(base, (), ids).write(tmp_path / "out")
    assert not (tmp_path / "out" / "tokenizer.json").exists()


def test_vocabularies_are_read_from_every_kind_of_file(tmp_path):
    slow = tmp_path / "slow"
    slow.mkdir()
    assert read_vocabulary(slow) is None and read_vocabulary(None) is None
    (slow / "vocab.txt").write_text("[PAD]\na\nb\n", "utf-8")
    assert dict(read_vocabulary(slow).ids) == {"[PAD]": 0, "a": 1, "b": 2}
    (slow / "vocab.json").write_text('{"b": 1, "a": 0, "bad": -1, "worse": true}', "utf-8")
    (slow / "added_tokens.json").write_text('{"<x>": 2}', "utf-8")
    assert list(read_vocabulary(slow).ids) == ["a", "b", "<x>"]
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "tokenizer.model").write_bytes(b"a protobuf")
    first = read_vocabulary(closed)
    assert not first.ids and first.is_like(first) and not first.is_like(read_vocabulary(slow))
    (closed / "tokenizer.model").write_bytes(b"another one")
    assert not first.is_like(read_vocabulary(closed))


@pytest.mark.parametrize("text", ["[]", "{", '{"model": 3}', '{"model": {"vocab": 3}}', "{}"])
def test_damaged_tables_are_words_or_nothing_and_never_a_crash(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text, "utf-8")
    try:
        found = read_vocabulary(tmp_path)
    except SourceError as error:
        assert error.message
    else:
        assert found is not None and not found.ids

"""Thousands of damaged and hostile files: each is read rightly or refused in words."""

import gc
import json
import random
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from merger.adapter import read_adapter
from merger.chat_templates import template_of
from merger.errors import SourceError
from merger.header import read_header
from merger.layout import read_layout
from merger.vocabulary import read_vocabulary
from tests.adapters import factors, save_adapter
from tests.unit.test_header import entry, file_bytes

MOST_BYTES = 200_000_000
HEADERS = 10_000
OTHERS = 1_000

TABLE: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    "model.a": entry("F32", [2, 3], 0, 24),
    "model.b": entry("BF16", [4], 24, 32),
    "model.c": entry("I64", [1], 32, 40),
}
NUMBERS = (0, 1, -1, 3, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**4000, 1.5, -0.0, 1e308)
TEXTS = ("", "F32", "F64", "F8_E4M3", "../x", "/etc/passwd", "\0", "\x1b[2J", "é" * 99, "a" * 9999)
STRANGE = (None, True, False, [], {}, [[]], {"a": {}}, [0] * 70, *NUMBERS, *TEXTS)
# Written as they are, because no serialiser would.
RAW = (
    b"NaN", b"Infinity", b"-Infinity", b'"\\ud800"', b"[" * 3000, b'{"a":' * 3000, b"9" * 5000,
    b"1e999999", b'"\xff"', b"0x1", b"'a'", b"", b"{}{}", b"/*", b"\0", b"\xef\xbb\xbf",
)  # fmt: skip


def spots(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Give the way to each value in a table."""
    yield path
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, inner in pairs:
        yield from spots(inner, (*path, key))


def put(value: Any, path: tuple, new: Any) -> Any:
    """Return a copy of a table in which one value is another."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


def changed(table: Any, draw: random.Random) -> bytes:
    """Return JSON in which one value is strange, a name comes twice, or is another."""
    path = draw.choice(list(spots(table)))
    kind = draw.random()
    if kind < 0.6:
        return json.dumps(put(table, path, draw.choice(STRANGE))).encode()
    if kind < 0.85:
        text = json.dumps(put(table, path, "HERE")).encode()
        return text.replace(b'"HERE"', draw.choice(RAW), 1)
    text = json.dumps(table)
    names = sorted({key for key in map(str, sum(spots(table), ())) if f'"{key}"' in text})
    old, new = draw.choice(names), draw.choice([*names, *TEXTS])
    return text.replace(json.dumps(old), json.dumps(new), draw.choice([1, -1])).encode()


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """Return bytes of which some are other ones, or the end is missing."""
    content = bytearray(whole)
    for _ in range(draw.choice([1, 1, 1, 2, 8])):
        at = draw.randrange(len(content))
        content[at] ^= 1 << draw.randrange(8)
        if draw.random() < 0.3:
            content[at] = draw.randrange(256)
    return bytes(content[: draw.randrange(len(content))] if draw.random() < 0.2 else content)


def mutations(draw: random.Random) -> Iterator[bytes]:
    """Give damaged files, hostile headers, and hostile lengths of a header, without end."""
    whole = file_bytes(TABLE, bytes(range(40)))
    lengths = (0, 1, 2**31, 2**32, 2**63, 2**64 - 1)
    while True:
        yield damaged(whole, draw)
        yield file_bytes(changed(TABLE, draw), bytes(range(40)))
        near = len(whole) - 48 + draw.randint(-9, 9)
        yield file_bytes(TABLE, bytes(40), length=draw.choice([near, draw.choice(lengths)]))


@pytest.fixture
def within_memory() -> Iterator[None]:
    """Fail a test that ever holds too much, as Python and as the system see it."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES


def check_header(path: Path, content: bytes) -> None:
    header = read_header(path)
    spans = sorted((p.start, p.stop) for p in header.places.values())
    ends = [header.data_start, *(stop for _, stop in spans)]
    assert [start for start, _ in spans] == ends[:-1]
    assert ends[-1] == len(content)
    for key, place in header.places.items():
        assert place.info.nbytes == place.stop - place.start
        assert place.info.key == key == key.encode().decode()


@pytest.mark.usefixtures("within_memory")
def test_ten_thousand_headers_are_read_rightly_or_refused(tmp_path: Path) -> None:
    draw = random.Random(7)
    path = tmp_path / "model.safetensors"
    read = 0
    for _, content in zip(range(HEADERS), mutations(draw), strict=False):
        path.write_bytes(content)
        try:
            check_header(path, content)
        except SourceError as error:
            assert error.hint and error.message.isprintable() and len(error.message) < 600
            continue
        read += 1
    assert HEADERS // 20 < read < HEADERS // 2


@pytest.mark.usefixtures("within_memory")
@pytest.mark.parametrize("part", [b"[],", b"{},", b'{"a":0},', b"0,", b'"",', b"[" * 9 + b"]" * 9])
def test_a_long_header_of_many_parts_takes_little_memory(tmp_path: Path, part: bytes) -> None:
    text = b'{"a":[' + part * (19_000_000 // len(part)) + b"0]}"
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_bytes(text))
    with pytest.raises(SourceError, match="header is not valid JSON"):
        read_header(path)


@pytest.mark.usefixtures("within_memory")
@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
def test_a_long_header_of_one_name_takes_little_memory(tmp_path: Path, letter: str) -> None:
    name = letter * (19_000_000 // len(letter.encode()))
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_bytes(b'{"' + name.encode() + b'":[]}'))
    with pytest.raises(SourceError, match="must have exactly dtype") as caught:
        read_header(path)
    assert len(caught.value.message) < 600


TOKENIZER = {
    "version": "1.0", "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
    "added_tokens": [{"id": 0, "content": "<s>", "special": True}],
    "model": {"type": "BPE", "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]},
}  # fmt: skip
SETTINGS = {
    "chat_template": [{"name": "default", "template": "{{ x }}"}],
    "eos_token": {"content": "<s>"},
    "added_tokens_decoder": {},
}


def words_of(folder: Path) -> object:
    """Read what a merge reads of a tokenizer, as long as nothing is loaded by it."""
    found = read_vocabulary(folder)
    assert found is None or all(type(n) is int and n >= 0 for n in found.ids.values())
    return found, template_of(folder)


def sharded(folder: Path) -> None:
    save_file({"a": torch.zeros(2)}, folder / "one.safetensors")
    save_file({"b": torch.ones(3)}, folder / "two.safetensors")
    (folder / "config.json").write_text('{"model_type": "toy"}')


INDEX = {"metadata": {"total_size": 20}, "weight_map": {"a": "one.safetensors"}}
INDEX["weight_map"]["b"] = "two.safetensors"
CONFIG = {"architectures": ["Toy"], "quantization_config": None, "dtype": "float32", "n": [1, 2]}
ADAPTER = {
    "peft_type": "LORA", "lora_alpha": 8, "r": 2, "alpha_pattern": {"q": 4}, "use_rslora": False,
    "base_model_name_or_path": "base", "fan_in_fan_out": False, "task_type": "CAUSAL_LM",
}  # fmt: skip


@pytest.mark.usefixtures("within_memory")
@pytest.mark.parametrize(
    ("name", "table", "open_it"),
    [
        ("model.safetensors.index.json", INDEX, read_layout),
        ("config.json", CONFIG, read_layout),
        ("adapter_config.json", ADAPTER, read_adapter),
        ("tokenizer.json", TOKENIZER, words_of),
        ("tokenizer_config.json", SETTINGS, words_of),
    ],
)
def test_other_files_of_a_model_are_read_or_refused(
    tmp_path: Path, name: str, table: dict, open_it: Callable[[Path], object]
) -> None:
    if open_it is read_adapter:
        save_adapter(tmp_path, {"model.q": factors(1, 6, 4, 2)})
    else:
        sharded(tmp_path)
        (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    draw = random.Random(name)
    whole = json.dumps(table).encode()
    read = 0
    for turn in range(OTHERS):
        content = damaged(whole, draw) if turn % 2 else changed(table, draw)
        (tmp_path / name).write_bytes(content)
        try:
            open_it(tmp_path)
        except SourceError as error:
            assert error.message and len(error.message) < 1200
            continue
        read += 1
    assert 0 < read < OTHERS

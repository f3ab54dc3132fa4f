"""Headers of safetensors files, made by hand: what is read and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from merger.errors import SourceError
from merger.header import MAX_HEADER_BYTES, TensorInfo, read_header


def file_bytes(table: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Return a safetensors file with this header, right or wrong."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype: str, shape: list[Any], begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read_header(write(folder, content))
    assert caught.value.hint
    assert "model.safetensors" in caught.value.message
    return caught.value.message


def test_a_header_gives_name_dtype_shape_and_place(tmp_path: Path) -> None:
    table = {
        "__metadata__": {"format": "pt"},
        "b": entry("F32", [2, 3], 0, 24),
        "a": entry("BF16", [], 24, 26),
        "empty": entry("I64", [0, 5], 26, 26),
    }
    header = read_header(write(tmp_path, file_bytes(table, bytes(26))))
    assert header.places["b"].info == TensorInfo("b", "F32", (2, 3))
    assert (header.places["b"].info.numel, header.places["b"].info.nbytes) == (6, 24)
    assert header.places["a"].start == header.data_start + 24
    assert header.places["a"].stop == header.size
    assert header.places["empty"].info.numel == 0
    assert header.metadata == {"format": "pt"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.safetensors cannot be read"):
        read_header(tmp_path / "gone.safetensors")


def test_a_file_of_three_bytes_is_refused(tmp_path: Path) -> None:
    assert "it has 3 bytes" in refusal(tmp_path, b"abc")


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    assert "claims 900 bytes" in refusal(tmp_path, file_bytes({}, length=900))


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**63, 2**64 - 1])
def test_a_header_longer_than_any_model_needs_is_refused(tmp_path: Path, length: int) -> None:
    assert "more than any model needs" in refusal(tmp_path, file_bytes({}, length=length))


@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"", b"{", b'{"a": NaN}', b'{"\xff": 1}', b'{"\\ud800": 1}', b'{"a":' * 50_000,
        b'{"a": ' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_what_is_not_an_object_in_json_is_refused(tmp_path: Path, text: bytes) -> None:
    assert "its header" in refusal(tmp_path, file_bytes(text))


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    one = b'"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    assert "names w twice" in refusal(
        tmp_path, file_bytes(b"{" + one + b"," + one + b"}", bytes(4))
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (entry("F33", [1], 0, 4), "unknown dtype F33"),
        (entry("F32", [-1], 0, 4), "whole numbers"),
        (entry("F32", [2**63], 0, 4), "whole numbers"),
        (entry("F32", [True], 0, 4), "whole numbers"),
        (entry("F32", [1.0], 0, 4), "whole numbers"),
        (entry("F32", [1] * 65, 0, 4), "whole numbers"),
        (entry("F32", [2**40, 2**40], 0, 4), "needs"),
        (entry("F32", [2], 0, 4), "needs 8 bytes, and 4 are stored"),
        (entry("F64", [1], 0, 4), "needs 8 bytes"),
        (entry("F32", [1], 4, 0), "should lie at bytes 4 to 0"),
        (entry("F32", [1], 0, 2**62), "should lie at"),
        (entry("F32", [1], -4, 0), "two whole numbers"),
        (entry("F32", [1], "0", 4), "two whole numbers"),
        ({"dtype": "F32", "shape": [1]}, "exactly dtype, shape and data_offsets"),
        ({**entry("F32", [1], 0, 4), "more": 1}, "exactly dtype, shape and data_offsets"),
        ([], "exactly dtype, shape and data_offsets"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_name(tmp_path: Path, wrong: Any, says: str) -> None:
    message = refusal(tmp_path, file_bytes({"layer.w": wrong}, bytes(4)))
    assert "layer.w" in message
    assert says in message


def test_tensors_that_overlap_are_refused(tmp_path: Path) -> None:
    table = {"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}
    assert "b overlaps a" in refusal(tmp_path, file_bytes(table, bytes(8)))


def test_a_hole_between_tensors_is_refused(tmp_path: Path) -> None:
    table = {"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}
    assert "b leaves a hole after a" in refusal(tmp_path, file_bytes(table, bytes(12)))


def test_bytes_that_belong_to_no_tensor_are_refused(tmp_path: Path) -> None:
    content = file_bytes({"a": entry("F32", [1], 0, 4)}, bytes(9))
    assert "5 bytes at its end belong to no tensor" in refusal(tmp_path, content)


def test_metadata_must_be_texts(tmp_path: Path) -> None:
    assert "__metadata__" in refusal(tmp_path, file_bytes({"__metadata__": {"a": 1}}))


def test_a_hostile_name_reaches_no_message_with_its_control_characters(tmp_path: Path) -> None:
    message = refusal(tmp_path, file_bytes({"\x1b[31m<b>\n": []}))
    assert "\x1b" not in message
    assert "\n" not in message

"""Checkpoints survive four bits an entry."""

import pytest
import torch
from safetensors.torch import save_file

from merger.errors import SourceError
from merger.zoo.quantise import decode, encode, pack_rows, read_delta, unpack_rows, write_delta


def test_a_row_is_packed_as_computed_by_hand():
    delta = torch.tensor([[7.0, -7.0, 3.4], [0.0, 0.0, 0.0]])
    codes, scale = pack_rows(delta)
    # Codes + 8: 15 1 11 | 8 8 8, two to a byte, the first in the low half.
    assert codes.tolist() == [15 + 16 * 1, 11 + 16 * 8, 8 + 16 * 8]
    assert scale.tolist() == [1.0, 0.0]
    assert unpack_rows(codes, scale, 3).tolist() == [[7.0, -7.0, 3.0], [0.0, 0.0, 0.0]]


def test_an_odd_number_of_entries_is_padded():
    codes, scale = pack_rows(torch.tensor([[1.0, -1.0, 0.5]]))
    assert len(codes) == 2
    assert unpack_rows(codes, scale, 3).shape == (1, 3)


def test_no_entry_is_off_by_more_than_half_a_step():
    delta = torch.randn(5, 11, generator=torch.Generator().manual_seed(0))
    codes, scale = pack_rows(delta)
    error = (unpack_rows(codes, scale, 11) - delta).abs()
    # A float16 scale may be too small for the largest entry by one part in 2,048.
    assert (error <= scale.float()[:, None] * 0.51).all()


def test_unchanged_tensors_are_left_out_and_vectors_keep_half_precision():
    base = {"a": torch.zeros(2, 2).half(), "b": torch.zeros(3).half(), "c": torch.ones(2).half()}
    expert = {"a": torch.eye(2).half() * 7, "b": torch.tensor([1.0, 2, 3]).half(), "c": base["c"]}
    packed = encode(expert, base)
    assert sorted(packed) == ["a.codes", "a.scale", "b"]
    back = decode(packed, base)
    assert all(torch.equal(back[name], expert[name]) for name in base)
    assert {t.dtype for t in back.values()} == {torch.float16}


def test_axes_of_length_one_do_not_count_as_rows():
    base = {"position": torch.zeros(1, 3, 4).half(), "token": torch.zeros(1, 1, 4).half()}
    expert = {name: tensor + 1 for name, tensor in base.items()}
    packed = encode(expert, base)
    assert packed["position.scale"].shape == (3,)
    assert packed["token"].shape == (4,)
    assert decode(packed, base)["token"].shape == (1, 1, 4)


def test_a_file_of_another_format_is_refused(tmp_path):
    base = {"a": torch.zeros(2, 2).half()}
    write_delta(tmp_path / "good.safetensors", {"a": torch.eye(2).half()}, base, {"base": "base"})
    assert torch.equal(read_delta(tmp_path / "good.safetensors", base)["a"], torch.eye(2).half())
    save_file(base, tmp_path / "bad.safetensors")
    with pytest.raises(SourceError, match=r"bad\.safetensors: must be a mergescope-delta-int4"):
        read_delta(tmp_path / "bad.safetensors", base)

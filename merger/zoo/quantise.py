"""Store a checkpoint as a small file: its change to the base, four bits an entry.

Every row of a matrix has one float16 scale; entries are whole numbers from -7 to 7, two to a
byte, the first in the low half. Vectors keep their change in float16. Tensors that did not
change are left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from merger.errors import SourceError

FORMAT, VERSION, ENTRY = "mergescope-delta-int4", "1", "delta"
CODES, SCALE = ".codes", ".scale"
State = dict[str, torch.Tensor]


def pack_rows(delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a matrix (rows, columns) to 4-bit codes with one scale a row.

    Returns: codes, two to a byte, shape (ceil(rows * columns / 2),); scales, shape (rows,).
    """
    scale = (delta.abs().amax(1) / 7).half()
    step = scale.float().clamp_min(torch.finfo(torch.float16).tiny)[:, None]
    codes = (delta / step).round().clamp(-7, 7).to(torch.int16).flatten() + 8
    if len(codes) % 2:
        codes = torch.cat([codes, codes.new_full((1,), 8)])
    return (codes[0::2] + 16 * codes[1::2]).to(torch.uint8), scale


def unpack_rows(codes: torch.Tensor, scale: torch.Tensor, columns: int) -> torch.Tensor:
    """Undo `pack_rows`: a float32 matrix (rows, columns)."""
    pairs = torch.stack([codes % 16, codes // 16], 1).flatten().float() - 8
    return pairs[: len(scale) * columns].reshape(len(scale), columns) * scale.float()[:, None]


def as_matrix(tensor: torch.Tensor) -> torch.Tensor:
    """View a tensor as (rows, rest); axes of length one don't count."""
    squeezed = tensor.squeeze()
    return squeezed.reshape(len(squeezed), -1) if squeezed.dim() > 1 else squeezed.reshape(-1)


def encode(expert: State, base: State) -> State:
    """Turn a checkpoint into the tensors of a delta file."""
    packed: State = {}
    for name, tensor in expert.items():
        delta = as_matrix(tensor.float() - base[name].float())
        if not delta.any():
            continue
        if delta.dim() == 1:
            packed[name] = delta.half()
        else:
            packed[name + CODES], packed[name + SCALE] = pack_rows(delta)
    return packed


def decode(packed: State, base: State) -> State:
    """Rebuild a checkpoint: base plus change, rounded once to the base's type."""
    whole: State = {}
    for name, start in base.items():
        if name in packed:
            delta = packed[name].float()
        elif name + CODES in packed:
            columns = as_matrix(start).shape[1]
            delta = unpack_rows(packed[name + CODES], packed[name + SCALE], columns)
        else:
            whole[name] = start.clone()
            continue
        whole[name] = (start.float() + delta.reshape(start.shape)).to(start.dtype)
    return whole


def write_delta(path: Path, expert: State, base: State, about: dict[str, str]) -> None:
    """Write a delta file; its metadata says what it is a change to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # safetensors writes several metadata entries in random order: one entry keeps bytes equal.
    said = json.dumps({"format": FORMAT, "version": VERSION, **about}, sort_keys=True)
    save_file(encode(expert, base), path, metadata={ENTRY: said})


def read_delta(path: Path, base: State) -> State:
    """Read a delta file and add it to the base."""
    with safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
        if (about.get("format"), about.get("version")) != (FORMAT, VERSION):
            raise SourceError(
                f"{path.name}: must be a {FORMAT} file of version {VERSION}, "
                f"got {about.get('format')} {about.get('version')}.",
                "Rebuild the zoo with `python -m merger zoo build`.",
            )
        packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return decode(packed, base)

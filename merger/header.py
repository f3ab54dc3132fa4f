"""Read the header of a safetensors file strictly, without torch.

The header comes from a file that nobody vouches for, so every number in it is checked against the
size of the file before it is used, and nothing is allocated by what it claims.
"""

import math
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from merger.errors import SourceError
from merger.plain_json import is_text, parse_json

BITS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("BOOL", "U8", "I8"), 8)
    | dict.fromkeys(("U16", "I16", "F16", "BF16"), 16)
    | dict.fromkeys(("U32", "I32", "F32"), 32)
    | dict.fromkeys(("U64", "I64", "F64", "C64"), 64)
    | dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8)
    | {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
)
FLOATS = ("F16", "BF16", "F32", "F64")
QUANTISED = tuple(name for name in BITS if re.fullmatch("F[468](_.+)?", name))
# The format allows five times this, which nobody needs and whose parsing takes a gigabyte.
MAX_HEADER_BYTES = 20_000_000
# numpy's bound.
MAX_AXES = 64
DAMAGED = "The file is damaged or incomplete: download it or save it again."


class TensorInfo(NamedTuple):
    """Name, dtype and shape of one stored tensor.

    Args:
        key: Its name on disk.
        dtype: In safetensors' words: F32, F16, BF16, I64 and so on.
        shape: Its lengths along each axis.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes it takes on disk."""
        return self.numel * BITS[self.dtype] // 8

    @property
    def is_float(self) -> bool:
        """Whether it holds plain floating-point numbers, the only ones that are merged."""
        return self.dtype in FLOATS


class Place(NamedTuple):
    """Where one tensor lies: its file and the first and last byte (exclusive) in it."""

    info: TensorInfo
    path: Path
    start: int
    stop: int


class FileHeader(NamedTuple):
    """What the header of one safetensors file says, checked against the file."""

    path: Path
    size: int
    mtime_ns: int
    data_start: int
    places: Mapping[str, Place]
    metadata: Mapping[str, str]


def read_header(path: Path) -> FileHeader:
    """Read and check the header of one safetensors file.

    Raises:
        SourceError: The file cannot be read, or its header breaks a rule of the format.
    """
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            length = header_length(path, file.read(8), stat.st_size)
            raw = file.read(length)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from error
    if len(raw) != length:
        _refuse(path, f"its header ends after {len(raw)} of {length} bytes")
    return check_header(path, raw, stat.st_size, stat.st_mtime_ns)


def check_header(path: Path, raw: bytes, size: int, mtime_ns: int = 0) -> FileHeader:
    """Check the header of one safetensors file, wherever its bytes come from.

    Args:
        path: Where the file is, or what to call it.
        raw: The header, without the eight bytes of its length.
        size: Bytes of the whole file.
        mtime_ns: When it was changed, if it is known.

    Raises:
        SourceError: The header breaks a rule of the format.
    """
    table = _parse(path, raw)
    metadata = _metadata(path, table.pop("__metadata__", {}))
    data_start = 8 + len(raw)
    places = {key: _place(path, key, entry, data_start, size) for key, entry in table.items()}
    _check_tiling(path, places, data_start, size)
    return FileHeader(path, size, mtime_ns, data_start, MappingProxyType(places), metadata)


def shown(name: object) -> str:
    """Return a name from a file so that it fits in a message and carries no control characters."""
    text = ascii(name) if isinstance(name, str) and not name.isprintable() else str(name)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _refuse(path: Path, what: str, hint: str = DAMAGED) -> NoReturn:
    raise SourceError(f"{path} is not a valid safetensors file: {what}.", hint)


def header_length(path: Path, raw: bytes, size: int) -> int:
    """Return how long a header is, from the first eight bytes of a file of a known size.

    Raises:
        SourceError: No file of that size can have such a header, or no model needs it.
    """
    if len(raw) < 8:
        _refuse(path, f"it has {size} bytes, and the first 8 must give the length of the header")
    (length,) = struct.unpack("<Q", raw)
    if length > MAX_HEADER_BYTES:
        _refuse(path, f"its header claims {length} bytes, more than any model needs")
    if 8 + length > size:
        _refuse(path, f"its header claims {length} bytes, and the file has {size}")
    return length


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    if not raw.startswith(b"{"):
        _refuse(path, "its header does not begin with '{'")
    try:
        table = parse_json(raw)
    except ValueError as error:
        _refuse(path, f"its header is not valid JSON ({shown(str(error))})")
    for name in table:
        if not is_text(name):
            _refuse(path, f"its header has the name {shown(name)}, which is no text")
    return table


def _metadata(path: Path, value: object) -> Mapping[str, str]:
    texts = [*value, *value.values()] if isinstance(value, dict) else [None]
    if not all(isinstance(text, str) and is_text(text) for text in texts):
        _refuse(path, "__metadata__ must hold texts only")
    assert isinstance(value, dict)
    return MappingProxyType(value)


def _is_count(value: object) -> bool:
    # type() rather than isinstance(): True is an int in Python, and no length in a file.
    return type(value) is int and 0 <= value < 2**63


def _place(path: Path, key: str, entry: object, data_start: int, size: int) -> Place:
    name = shown(key)
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"{name} must have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        _refuse(path, f"{name} has the unknown dtype {shown(dtype)}")
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(map(_is_count, shape)):
        _refuse(path, f"the shape of {name} must be whole numbers, got {shown(shape)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        _refuse(path, f"the offsets of {name} must be two whole numbers, got {shown(offsets)}")
    begin, end = offsets
    if begin > end or data_start + end > size:
        _refuse(
            path,
            f"{name} should lie at bytes {begin} to {end} of {size - data_start} bytes of data",
        )
    info = TensorInfo(key, dtype, tuple(shape))
    bits = info.numel * BITS[dtype]
    if bits != (end - begin) * 8:
        _refuse(
            path,
            f"{name} of dtype {dtype} and shape {list(shape)} needs {-(-bits // 8)} bytes, "
            f"and {end - begin} are stored",
        )
    return Place(info, path, data_start + begin, data_start + end)


def _check_tiling(path: Path, places: Mapping[str, Place], data_start: int, size: int) -> None:
    """Check that the tensors fill the data without overlap or hole, as the format demands."""
    position, before = data_start, "the header"
    for place in sorted(places.values(), key=lambda place: (place.start, place.stop)):
        name = shown(place.info.key)
        if place.start != position:
            what = "overlaps" if place.start < position else "leaves a hole after"
            _refuse(path, f"{name} {what} {before}")
        position, before = place.stop, name
    if position != size:
        _refuse(path, f"{size - position} bytes at its end belong to no tensor")

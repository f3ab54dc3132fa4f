"""What a measure returns: named numbers and numpy arrays, comparable with ==."""

from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np


class Info:
    """Base of every Info: a frozen dataclass whose arrays compare by value, NaN equal to NaN.

    Declare subclasses with `@dataclass(frozen=True, eq=False)`, or the generated == would win.
    """

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_equal(getattr(self, f.name), getattr(other, f.name)) for f in _fields(self))

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; what is not a finite number becomes None."""
        return {f.name: plain(getattr(self, f.name)) for f in _fields(self)}


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Info):
        return value.to_json()
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _fields(info: Any) -> Any:
    return fields(info) if is_dataclass(info) else ()


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return bool(a == b)

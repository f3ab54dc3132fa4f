"""Read JSON from files that nobody vouches for, within a bound on memory."""

import json
from typing import Any, NoReturn

# Lists and tables of a few bytes each take a hundred times that in memory, so what is bounded is
# their number and not only the size of the text. A checkpoint with 100,000 tensors has 900,000.
PARTS = 1_000_000
SIGNS = (b"[", b"{", b",")


def parse_json(raw: bytes, parts: int = PARTS, *, strict: bool = True) -> Any:
    """Return what JSON text in UTF-8 says.

    Args:
        raw: The text.
        parts: How many lists, tables and members there may be.
        strict: Whether NaN and names that come twice are errors; configs in the wild have both.

    Raises:
        ValueError: It is not such a text; the message says why.
    """
    count = sum(raw.count(sign) for sign in SIGNS)
    if count > parts:
        raise ValueError(f"it has {count} parts, more than the {parts} that any model needs")
    try:
        if not strict:
            return json.loads(raw.decode("utf-8"))
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def is_text(text: str) -> bool:
    """Return whether a text can be written again; JSON lets half a character pass."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"it names {ascii(key)[1:-1][:120]} twice")
            seen.add(key)
    return table


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")

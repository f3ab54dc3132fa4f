"""What the commands share: reading a recipe, writing a result, sizes, stopping."""

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merger.errors import RecipeError
from merger.quantities import words_for_bytes as words_for_bytes
from merger.recipe import Recipe

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command print its result, or its error, as JSON."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_recipe(parser: argparse.ArgumentParser, help_text: str = "") -> None:
    """Let a command take a recipe."""
    parser.add_argument(
        "recipe",
        metavar="R",
        help=help_text or "a recipe file in YAML, or - to read it from input",
    )


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Let a command be told whether to draw a progress bar."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="draw a progress bar (default: when a person is watching)",
    )


def read_recipe(name: str) -> Recipe:
    """Return the recipe of a file, or of the standard input for "-"."""
    if name != "-":
        return Recipe.load(Path(name))
    from merger.recipe_yaml import MAX_BYTES  # noqa: PLC0415  (yaml only where it is read)

    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise RecipeError(
            f"Standard input: a recipe has at most {MAX_BYTES:,} bytes, got more.",
            "Give the recipe, not a model.",
        )
    try:
        return Recipe.from_yaml(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"Standard input is not UTF-8 text: {error.reason}.") from None


def print_json(data: Any) -> None:
    """Print a result for programs; what is not a finite number becomes null."""
    print(json.dumps(_finite(data), indent=2, allow_nan=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns for people; the last column is as wide as it likes."""
    shown = [[visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head))]
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def visible(text: str) -> str:
    """Return text that cannot steer a terminal: control characters become a sign.

    Example:
        >>> visible("a\\x1b[2Jb")
        'a\ufffd[2Jb'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def size(text: str) -> int:
    """Return the bytes that a size such as 4GiB, 500MB or 4096 means."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]I?)?B?", text.strip().upper())
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"must be a size such as 4GiB or 500MB, got {text!r}")
    return int(float(found[1]) * (UNITS | BINARY)[found[2] or ""])


def share(text: str) -> float:
    """Return a share in (0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share above 0 and up to 1, got {text!r}")
    return value


def positive(text: str) -> int:
    """Return a whole number from 1 up."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, got {text!r}")
    return int(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

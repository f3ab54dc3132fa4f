"""Columns of a CSV, TSV, JSON, JSON Lines or Parquet file, read with `datasets`.

Only the file itself is read: no script, nothing remote. What `datasets` writes on the way lies in
a temporary folder, never beside the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merger.errors import TaskError, did_you_mean

FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".parquet": "parquet",
}
MAX_FILE_BYTES = 2 << 30


def is_table(path: Path) -> bool:
    """Say whether a file's ending is that of a table."""
    return path.suffix.lower() in FORMATS


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, list[str]]:
    """Read some columns of a table as text, in the order of the rows.

    Whole numbers are written without a point; class numbers of a Parquet file that knows their
    names become these names.

    Args:
        path: The file; its ending says which kind it is.
        columns: Names of the columns.
    Raises:
        TaskError: it cannot be read, lacks a column, or a cell is empty.
    """
    check_table(path)
    with TemporaryDirectory(prefix="mergescope-table-") as folder:
        data = _open(path, columns, Path(folder))
        for column in columns:
            if column not in data.column_names:
                raise TaskError(
                    f"{path.name}: has no column {column[:80]!r}.",
                    did_you_mean(column, data.column_names),
                )
        found = {column: _words(data, column) for column in columns}
    for column, words in found.items():
        empty = next((i for i, word in enumerate(words) if not word.strip()), None)
        if empty is not None:
            raise TaskError(
                f"{path.name}: row {empty + 1} has nothing in column {column!r}.",
                "Take the row out, or fill the cell.",
            )
    return found


def check_table(path: Path) -> None:
    """Raise TaskError for what is no table, is not there, or is too large."""
    if not is_table(path):
        raise TaskError(
            f"{path.name}: must end in {', '.join(FORMATS)}.", "Convert it, or rename it."
        )
    if not path.is_file():
        raise TaskError(f"{path.name}: no such file.", "Give the path of an existing file.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TaskError(
            f"{path.name}: a table may have up to {MAX_FILE_BYTES:,} bytes, this one has "
            f"{path.stat().st_size:,}.",
            "Take a part of it.",
        )


def _open(path: Path, columns: Sequence[str], folder: Path) -> Any:
    import datasets  # noqa: PLC0415  (a second to import; most tasks do without)

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    kind = FORMATS[path.suffix.lower()]
    # A plain name: brackets and stars in the user's would be taken for a pattern.
    place = folder / f"table{path.suffix.lower()}"
    try:
        place.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, place)
    options: dict[str, Any] = {"cache_dir": str(folder / "cache")}
    if kind == "csv":
        # Cells as they are written: neither 007 nor NA means anything else than it says.
        options |= {"converters": dict.fromkeys(columns, str), "keep_default_na": False}
        options |= {"sep": "\t" if path.suffix.lower() == ".tsv" else ","}
    read = getattr(datasets.Dataset, f"from_{kind}")
    try:
        return read(str(place), **options)
    except Exception as error:  # noqa: BLE001  (what readers raise is not one family)
        cause = error.__cause__ or error
        first = str(cause).strip().splitlines()[:1]
        why = "".join(first).replace(str(folder), "")[:200]
        raise TaskError(
            f"{path.name}: could not be read as {kind} ({type(cause).__name__}: {why}).",
            "Check that it is what its ending says, in UTF-8.",
        ) from error


def _words(data: Any, column: str) -> list[str]:
    names = getattr(data.features[column], "names", None)
    cells = data[column][:]
    if names:
        return [_word(None if cell is None else names[cell]) for cell in cells]
    return [_word(cell) for cell in cells]


def _word(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        # Not a number is an empty cell; 2.0 is what pandas makes of a 2 beside one.
        return "" if cell != cell else f"{cell:g}"
    return str(cell)

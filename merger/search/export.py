"""Trials as files for other programs: CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from merger.search.objective import Objective
from merger.search.trial import Trial

SPLITS = ("validation", "test")
ENDS = ("value", "low", "high", "n")
# A spreadsheet runs a cell that begins with one of these.
ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n")


def trials_to_csv(trials: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    """Return trials as CSV, a row each; text cells can not act as formulas in a spreadsheet.

    Args:
        trials: The trials.
        objectives: What is given of each: value, low, high and n, on validation and on test.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    named = [(split, o.name, end) for split in SPLITS for o in objectives for end in ENDS]
    head = ["digest", "method", "words", "created", "origin", "pinned", "note", "recipe"]
    writer.writerow([*head, *(" ".join(name) for name in named)])
    for trial in trials:
        values = [_cell(trial, split, name, end) for split, name, end in named]
        writer.writerow([*map(_text, _about(trial)), *values])
    return out.getvalue()


def trials_to_json(trials: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    """Return trials as JSON: `objectives`, and `trials` with their values by objective."""
    names = [o.name for o in objectives]
    rows = [
        {
            "digest": t.digest, "method": t.method, "words": t.words,
            "created": _when(t), "origin": t.origin, "pinned": t.pinned, "note": t.note,
            "recipe": t.recipe,
            "values": {n: t.values[n]._asdict() for n in names if n in t.values},
            "test": {n: t.test[n]._asdict() for n in names if n in t.test},
        }
        for t in trials
    ]  # fmt: skip
    told = {"objectives": [o.to_json() for o in objectives], "trials": rows}
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _about(trial: Trial) -> list[Any]:
    return [
        trial.digest, trial.method, trial.words, _when(trial), trial.origin,
        "yes" if trial.pinned else "no", trial.note, trial.recipe,
    ]  # fmt: skip


def _cell(trial: Trial, split: str, name: str, end: str) -> float | int | str:
    found = trial.on(split).get(name)
    return "" if found is None else getattr(found, end)


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(ACTIVE) else value


def _when(trial: Trial) -> str:
    return datetime.fromtimestamp(trial.created, UTC).isoformat(timespec="seconds")

"""Trials as files: every number with its interval and n, and no cell that a spreadsheet runs."""

import csv
import io
import json

import pytest

from merger.search.export import trials_to_csv, trials_to_json
from merger.search.objective import Measured, TaskScale, objectives_for
from merger.search.trial import Trial

WANTED = objectives_for((TaskScale("a", "Task A", "accuracy"),))
TRIAL = Trial(
    "d1", "method: ties\n", "ties", "TIES of a, b", {"mean": Measured(0.5, 0.4, 0.6, 100)},
    test={"mean": Measured(-0.25, -0.5, 0.0, 9)}, created=0.0, note="fine",
)  # fmt: skip


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_holds_values_with_interval_and_n_of_both_splits():
    (row,) = read(trials_to_csv([TRIAL], WANTED))
    assert row["recipe"] == "method: ties\n" and row["created"] == "1970-01-01T00:00:00+00:00"
    ends = [row[f"validation mean {end}"] for end in ("value", "low", "high", "n")]
    assert ends == ["0.5", "0.4", "0.6", "100"]
    assert row["test mean value"] == "-0.25" and row["validation norm value"] == ""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_note_that_would_run_in_a_spreadsheet_is_text(text):
    from dataclasses import replace

    (row,) = read(trials_to_csv([replace(TRIAL, note=text)], WANTED))
    assert row["note"].startswith("'")


def test_json_holds_what_was_asked_for_and_reads_back():
    found = json.loads(trials_to_json([TRIAL], WANTED))
    assert [o["name"] for o in found["objectives"]] == [o.name for o in WANTED]
    (row,) = found["trials"]
    assert row["values"]["mean"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    assert row["test"]["mean"]["n"] == 9 and "norm" not in row["values"]

"""Tables: every format gives the same cells, and what is wrong is named."""

import json
from pathlib import Path

import datasets
import pytest

from merger.errors import TaskError
from merger.tasks.rows import LabelledRows
from merger.tasks.tables import read_columns

ROWS = [("007", "NA"), ('a, "quoted"\ncell', "2"), ("é", "yes")]


def write(folder: Path, ending: str, rows: list[tuple[str, str]]) -> Path:
    path = folder / f"data[1]*{ending}"
    data = datasets.Dataset.from_dict(
        {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    )
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    if ending in (".csv", ".tsv"):
        data.to_csv(path, sep="\t" if ending == ".tsv" else ",")
    elif ending == ".parquet":
        data.to_parquet(path)
    else:
        data.to_json(path, lines=ending == ".jsonl")
    if shown:
        datasets.enable_progress_bars()
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_every_format_gives_the_cells_as_they_are_written(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path, ending, ROWS)
    found = read_columns(path, ["text", "label"])
    assert list(zip(found["text"], found["label"], strict=True)) == ROWS
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_numbers_are_words_and_named_classes_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": 1}\n{"text": "y", "label": 2.0}\n')
    assert read_columns(tmp_path / "a.jsonl", ["label"]) == {"label": ["1", "2"]}
    named = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    data = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=named)
    datasets.disable_progress_bars()
    data.to_parquet(tmp_path / "b.parquet")
    assert read_columns(tmp_path / "b.parquet", ["label"]) == {"label": ["yes", "no"]}


def test_what_is_wrong_with_a_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nfine,1\n,2\n")
    with pytest.raises(TaskError, match="a.csv: has no column 'txt'. Did you mean 'text'"):
        read_columns(path, ["txt"])
    with pytest.raises(TaskError, match="row 2 has nothing in column 'text'"):
        read_columns(path, ["text"])
    with pytest.raises(TaskError, match="must end in .csv"):
        read_columns(tmp_path / "a.pkl", ["text"])
    with pytest.raises(TaskError, match="no such file"):
        read_columns(tmp_path / "b.csv", ["text"])
    (tmp_path / "c.parquet").write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(TaskError, match="c.parquet: could not be read as parquet"):
        read_columns(tmp_path / "c.parquet", ["text"])


def test_repeated_rows_count_once_and_never_on_both_sides(tmp_path: Path) -> None:
    rows = [{"text": f"text number {i} of many", "label": str(i % 2)} for i in range(60)]
    again = [row | {"text": row["text"].upper()} for row in rows[:30]]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows + again))
    found = LabelledRows(tmp_path / "a.jsonl", "text", "label")
    assert sum(found.sizes.values()) == 60
    left, right = ({t.lower() for t in found.split(s).texts} for s in ("validation", "test"))
    assert left and right and not left & right
    assert "90 rows, of which 60 count" in found.about


def test_of_a_long_table_each_side_keeps_the_same_rows(tmp_path: Path) -> None:
    rows = [f"text {i},{i % 2}" for i in range(80)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "b.csv").write_text("\n".join(["text,label", *rows[::-1]]))
    a, b = (LabelledRows(tmp_path / name, "text", "label", most=10) for name in ("a.csv", "b.csv"))
    assert dict(a.sizes) == {"validation": 10, "test": 10}
    assert set(a.split("test").texts) == set(b.split("test").texts)


def test_a_table_of_one_text_has_nothing_to_divide(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nsame,1\nsame,2\n")
    with pytest.raises(TaskError, match="no row falls to .*; it has 1 different texts"):
        _ = LabelledRows(tmp_path / "a.csv", "text", "label").sizes

"""What a report says of a recipe, in words."""

import json
import re
from pathlib import Path
from threading import Event

import pytest

from merger import Recipe
from merger.spec import METHODS
from tests.studios import open_studio
from viz.catalog import Catalog, zoo_family
from viz.report import differences_table, light_colours, method_words, settings_table, versions
from viz.reporting import look_at
from viz.static import served_files

TEXT = """
method: ties
base: zoo:base
experts: [zoo:a, zoo:b]
params: {density: [0.1, 0.25]}
before: []
after: [{lines: {beta: 0.7}}]
rules: [{match: '<b>*', take: base}, {match: '*', weights: [1, 2], scale: 0.5}]
seed: 9
"""


def _rows(text: str = TEXT) -> dict[str, list[str]]:
    table = settings_table(Recipe.from_yaml(text))
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    return {row[0]: row[1:] for row in table["rows"]}


def test_every_setting_is_said_and_whether_it_was_set():
    rows = _rows()
    assert {p.name for p in METHODS["ties"].params} <= set(rows)
    assert rows["density"][:2] == ["0.1, 0.25", "set"]
    assert rows["scale"][1] == "default" and rows["scale"][2]
    assert rows["seed"][:2] == ["9", "set"]
    assert rows["out_dtype"][:2] == ["as the base's, per tensor", "default"]


def test_verbs_and_rules_are_settings_too():
    rows = _rows()
    assert rows["after: LiNeS"][:2] == ["on", "set"] and rows["LiNeS: beta"][0] == "0.7"
    assert rows["rule: <b>*"][0] == "take it from base"
    assert rows["rule: *"][0] == "other settings weights 1, 2, scale 0.5"


def test_the_method_brings_its_source():
    words = method_words(Recipe.from_yaml(TEXT))
    assert words["title"] == "TIES" and words["paper"] and words["summary"]


def test_the_colours_of_a_report_are_those_of_the_light_page():
    style = served_files()["style.css"].read_text(encoding="utf-8").split(".dark {", 1)[0]
    for name, colour in light_colours().items():
        found = re.search(rf"--ms-{name}: ([^;]+);", style)
        assert found and found[1] == colour, name


def test_versions_name_what_computed_the_numbers():
    assert {"Mergescope", "Python", "torch", "plotly"} <= set(versions())


PAIR = "method: {}\nbase: zoo:base\nexperts: [zoo:mnist, zoo:latin]\n"


@pytest.mark.parametrize(
    ("pins", "rows"),
    [
        (["average"], [["method", "Average", "TIES"]]),
        (["average", "linear"], [["method", "Average", "Linear"]]),
        (["ties"], []),
    ],
)
def test_what_differs_is_told_from_the_first_pin_to_the_second_or_to_the_merge(
    pins: list[str], rows: list[list[str]]
) -> None:
    found = [Recipe.from_yaml(PAIR.format(method)) for method in pins]
    table = differences_table(Recipe.from_yaml(PAIR.format("ties")), found)
    assert table is not None and [row for row in table["rows"] if row[0] == "method"] == rows
    assert differences_table(found[0], []) is None


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_pins_of_a_report_are_compared_with_each_other(tmp_path: Path, count: int) -> None:
    with open_studio(Catalog((zoo_family(),)), tmp_path / "ws") as studio:
        pins = [PAIR.format(method) for method in ("average", "linear")[:count]]
        request = {"text": PAIR.format("ties"), "pins": pins}
        scene, _, found, _ = look_at(studio.asking, request, Event())
        assert [r.method for r in found] == ["average", "linear"][:count]
        assert (scene.pin is None) is (count == 0)
        lines = [pin.line.partition(" ")[0] for pin in scene.pins]
        assert lines == (["average", "linear"] if count == 2 else [])
        body = json.dumps(request | {"panel": "compare"})
        figure = json.loads(bytes(studio.chart(body).body))["figure"]
        assert (figure is None) is (count == 0)

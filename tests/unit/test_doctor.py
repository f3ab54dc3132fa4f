"""The doctor reads headers and configs only, and says what to do next."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from merger.doctor import doctor, size
from merger.recipe import Expert, Recipe
from tests.engine.folders import family

ROOT = Path(__file__).parents[2]
ENTRIES = 300 * 400 + 7 + 2 * 130_000 + 1 + 3


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return family(tmp_path)


def test_models_that_fit_get_a_verdict_and_their_cost(recipe: Recipe) -> None:
    report = doctor(recipe)
    assert report.is_well
    assert report.verdict.startswith("This can be merged")
    assert report.parameters == ENTRIES
    assert report.disk_bytes == 4 * (ENTRIES - 3) + 8 * 3
    assert 1.5e8 < report.peak_bytes < 2.5e8
    assert report.seconds >= 0
    assert list(report.to_json()) == [
        "verdict", "problems", "parameters", "peak_bytes", "disk_bytes", "seconds", "models",
        "licence", "words", "fetch_bytes", "rough_seconds", "basis",
    ]  # fmt: skip
    assert json.loads(json.dumps(report.to_json()))["problems"][0] == {
        "severity": "note",
        "what": "steps is copied, not merged (not trained numbers).",
        "where": "base",
        "remedy": "",
    }


def test_another_dtype_costs_other_space(recipe: Recipe) -> None:
    half = replace(recipe, out_dtype="bfloat16")
    assert doctor(half).disk_bytes == 2 * (ENTRIES - 3) + 8 * 3


def test_every_model_that_cannot_be_opened_is_a_problem(recipe: Recipe) -> None:
    gone = tuple(replace(e, source=e.source + "-gone") for e in recipe.experts)
    report = doctor(replace(recipe, experts=gone))
    assert [p.where for p in report.problems] == ["e0", "e1", "e2"]
    assert report.verdict.startswith("This cannot be merged: e0: ")
    assert "(2 more below)" in report.verdict


def test_a_wrong_setting_and_a_missing_base_are_problems(recipe: Recipe) -> None:
    wrong = doctor(replace(recipe, method="ties", params={"density": 2.0}))
    assert not wrong.is_well
    assert "density" in wrong.problems[-1].what
    baseless = doctor(replace(recipe, method="ties", base=None))
    assert "needs a base" in baseless.problems[-1].what


def test_no_experts_is_a_problem_in_words(recipe: Recipe) -> None:
    assert "This cannot be merged" in doctor(replace(recipe, experts=())).verdict


def test_a_disk_that_is_too_small_is_a_problem(recipe: Recipe, tmp_path: Path) -> None:
    assert doctor(recipe, out=tmp_path / "new" / "out").is_well
    assert doctor(recipe, out=tmp_path / ("x" * 300)).is_well, "the merge says that it is too long"


def test_a_visitor_sees_only_what_is_open(recipe: Recipe, tmp_path: Path) -> None:
    assert not doctor(recipe, roots=[tmp_path]).is_well
    experts = (Expert("file:e0", "e0"),)
    assert doctor(replace(recipe, base="file:base", experts=experts), roots=[tmp_path]).is_well


def test_the_doctor_needs_no_torch(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    code = (
        "import sys\n"
        "from merger.doctor import doctor\n"
        "from merger.recipe import Recipe\n"
        "print(doctor(Recipe.load(sys.argv[1])).is_well, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False"]


def test_sizes_are_for_people() -> None:
    assert [size(999), size(1_000), size(2_345_678), size(5e12)] == [
        "999 B", "1.0 kB", "2.3 MB", "5000.0 GB",
    ]  # fmt: skip

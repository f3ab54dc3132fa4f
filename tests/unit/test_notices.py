"""What is valid in a recipe but surely not meant is said, and nothing else is."""

import pytest
import torch

from merger.checkpoint import MemoryCheckpoint
from merger.cli import main
from merger.doctor import doctor
from merger.notices import Case, notices
from merger.plan import plan
from merger.recipe import Depth, Expert, Recipe, Step
from merger.spec import METHODS
from tests.builders import build_llama_family


def said(method: str, params=None, n: int = 3, weights=None, after=(), keys=("layers.0.w", "b")):
    model = MemoryCheckpoint({key: torch.ones(4, 4) for key in keys})
    experts = tuple(Expert(f"file:{i}", f"e{i}") for i in range(n))
    recipe = Recipe(method, experts, "file:b", weights, params or {}, after=after)
    return [notice.what for notice in notices(plan(recipe, model, [model] * n))]


CASES = [
    ("ties", {"density": 1.0}, "nothing is trimmed"),
    ("ties", {"density": (1.0, 1.0, 1.0)}, "nothing is trimmed"),
    ("dare_linear", {"density": 0.0}, "the base comes back"),
    ("ties", {"combine": "sum"}, "scale of 1 is large"),
    ("breadcrumbs", {"density": 1.0, "gamma": 0.0}, "nothing is trimmed"),
    ("della", {"density": 0.95}, "within epsilon"),
    ("della_linear", {"density": 0.5, "epsilon": 0.5}, "within epsilon"),
    ("consensus", {"k": 4}, "k is larger"),
    ("rmm", {"basis": 3}, "nothing is saved"),
    ("ema", {"decay": 1.0}, "only the first"),
    # Shares are .5 · 3 · strength / their sum; the first is 1.5 · 1.182 / (1.182 + 2 · .218).
    ("ama", {"base_share": 0.5, "s1": 4.0, "s2": -4.0, "s3": -4.0}, "more than 1"),
]


@pytest.mark.parametrize(("method", "params", "words"), CASES)
def test_each_pitfall_is_named(method, params, words):
    (what,) = said(method, params)
    assert words in what


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("ties", {"density": (1.0, 0.5, 1.0)}),
        ("ties", {"combine": "sum", "scale": 0.3}),
        ("breadcrumbs", {"density": 1.0}),
        ("della", {"density": 0.9}),
        ("consensus", {"k": 3}),
        ("ema", {"decay": 0.9}),
        ("ama", {"base_share": 0.3, "s1": 4.0, "s2": -4.0, "s3": 0.0}),
    ],
)
def test_what_is_meant_is_not_remarked_on(method, params):
    assert said(method, params) == []


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.stage == "merge"])
def test_no_method_remarks_on_its_own_defaults(name):
    low, high = METHODS[name].experts
    assert said(name, n=max(low, min(3, high or 3))) == []


def test_coefficients_that_are_divided_out_again_are_named():
    assert "divided out" in said("linear", weights=(0.5, 0.5, 0.5))[0]
    assert said("linear", weights=(0.5, 0.5, 0.4)) == []
    assert said("linear", {"normalize": False}, weights=(0.5, 0.5, 0.5)) == []
    weighted = {"dialect": "mergekit"}
    assert "both signs" in said("ties", weighted, weights=(1.0, 1.0, -0.99))[0]
    assert said("ties", weights=(1.0, 1.0, -0.99)) == []


def test_a_verb_is_remarked_on_where_no_layer_is_numbered():
    lines = (Step("lines"),)
    assert "No name of a tensor" in said("task_arithmetic", after=lines, keys=("a", "b"))[0]
    assert said("task_arithmetic", after=lines) == []


def test_a_setting_that_changes_with_depth_is_remarked_on_once_where_it_holds():
    keys = tuple(f"layers.{i}.w" for i in range(5))
    assert len(said("ties", {"density": Depth((1.0, 1.0))}, keys=keys)) == 1
    assert len(said("ties", {"density": Depth((0.2, 1.0))}, keys=keys)) == 1


def test_a_case_gives_a_setting_per_expert():
    case = Case({"density": 0.5, "gamma": (1, 2)}, (1.0, 1.0), 0)
    assert case.values("density") == (0.5, 0.5) and case.values("gamma") == (1, 2)


def test_doctor_and_merge_say_it(tmp_path, capsys):
    folder = build_llama_family(tmp_path / "family")
    experts = tuple(Expert(f"file:{folder / name}", name) for name in ("alpha", "beta"))
    recipe = Recipe("ties", experts, f"file:{folder / 'base'}", params={"density": 1.0})
    report = doctor(recipe)
    found = [p for p in report.problems if "nothing is trimmed" in p.what]
    assert [p.severity for p in found] == ["note"] and report.is_well
    bad = Recipe("della", experts, recipe.base, params={"density": 0.95})
    assert not doctor(bad).is_well and "epsilon" in doctor(bad).verdict
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    arguments = ["merge", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "note: At density 1 every change is kept" in told.err and "note" not in told.out

"""What every registered method and verb must have, do and refuse."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from merger.errors import RecipeError
from merger.signature import argument_help
from merger.spec import LAWS, METHODS
from tests.contract.cases import SHAPES, is_random, models, parts, run, same_bytes
from tests.contract.laws import grid

ROOT = Path(__file__).parents[2]
JSON_KEYS = {"name", "title", "family", "summary", "needs", "stage", "output", "paper", "laws"}
PARAM_KEYS = {
    "name", "type", "default", "low", "high", "slider", "step", "choices", "per_expert", "symbol",
    "help",
}  # fmt: skip
PARAMS = [(m.name, p.name) for m in METHODS.values() for p in m.params]


def test_the_methods_of_the_studio_are_all_there():
    wanted = {
        "average", "linear", "task_arithmetic", "wise_ft", "slerp", "ties", "dare_linear",
        "dare_ties", "model_stock", "lines",
    }  # fmt: skip
    assert wanted <= set(METHODS)
    assert list(METHODS) == sorted(METHODS)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_says_in_one_sentence_what_it_does(name):
    method = METHODS[name]
    assert 10 < len(method.summary) <= 90
    assert method.summary.endswith(".")
    assert method.title and method.family and method.paper
    assert "Reference:" in method.doc
    assert method.formula
    assert set(method.laws) <= set(LAWS)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_argument_is_explained(name):
    method = METHODS[name]
    explained = argument_help(method.fn)
    wanted = {use.name for use in method.feeds} | {p.name for p in method.params}
    assert set(explained) == wanted
    assert all(p.help for p in method.params)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_is_plain_data_too(name):
    data = METHODS[name].to_json()
    assert set(data) >= JSON_KEYS | {"params"}
    assert all(set(p) >= PARAM_KEYS for p in data["params"])
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("name", list(METHODS))
def test_every_track_lies_within_the_bounds_and_holds_the_default(name):
    for param in METHODS[name].params:
        data = param.to_json()
        if data["slider"] is None or param.default is None:
            continue
        low, high = data["slider"]
        assert low <= param.default <= high
        assert param.check(low, name) == low
        assert param.check(high, name) == high


@pytest.mark.parametrize(("name", "param"), PARAMS)
def test_every_setting_refuses_what_is_not_valid(name, param):
    base, experts = models(3)
    with pytest.raises(RecipeError, match=f"{name}: {param} must be"):
        run(name, experts, base, {param: METHODS[name].param(param).bad_value()})


@pytest.mark.parametrize(("name", "param"), PARAMS)
def test_every_setting_at_its_default_changes_nothing(name, param):
    base, experts = models(3)
    default = METHODS[name].param(param).default
    assert same_bytes(run(name, experts, base, {param: default}), run(name, experts, base))


@pytest.mark.parametrize("name", list(METHODS))
def test_an_unknown_setting_is_an_error(name):
    base, experts = models(3)
    with pytest.raises(RecipeError, match=f"{name} has no parameter 'densty'"):
        run(name, experts, base, {"densty": 1})


@pytest.mark.parametrize(("name", "n"), grid())
def test_every_shape_comes_back_in_its_own_shape(name, n):
    base, experts = models(n)
    for result in parts(run(name, experts, base)):
        assert {k: tuple(v.shape) for k, v in result.items()} == dict(SHAPES)
        assert all(torch.isfinite(v).all() for v in result.values())


@pytest.mark.parametrize("name", list(METHODS))
def test_a_dialect_is_only_other_defaults(name):
    method = METHODS[name]
    for dialect, settings in method.dialects.items():
        resolved = method.resolve({"dialect": dialect})
        assert {k: resolved[k] for k in settings} == settings
        explicit = {p.name: p.default for p in method.params if p.name in settings}
        back = method.resolve({"dialect": dialect, **explicit})
        assert {k: back[k] for k in explicit} == explicit
        assert method.resolve(resolved) == resolved


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.stage == "merge"])
def test_coefficients_matter_unless_the_method_says_why_not(name):
    n = min(3, METHODS[name].experts[1] or 3)
    base, experts = models(n)
    moved = run(name, experts, base, weights=(0.25, 1.5, 0.5)[:n])
    assert same_bytes(moved, run(name, experts, base)) == bool(METHODS[name].weights_note)


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if not is_random(m)])
def test_methods_without_chance_do_not_see_the_seed(name):
    base, experts = models(3)
    assert same_bytes(run(name, experts, base, seed=1), run(name, experts, base, seed=2))


def test_listing_the_methods_does_not_load_torch():
    code = (
        "import json, sys\n"
        "from merger.spec import METHODS\n"
        "json.dumps([m.to_json() for m in METHODS.values()])\n"
        "METHODS['ties'].resolve({'density': 0.5})\n"
        "assert 'torch' not in sys.modules\n"
        "from merger.lazy import torch\n"
        "assert torch.zeros(2).sum() == 0 and 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def forbidden_sums(source: str) -> list[int]:
    """Return the lines that sum over experts at once, or fuse a product into a sum."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, keywords = node.func.attr, {k.arg: k.value for k in node.keywords}
        axis = [*node.args[:1], *(v for k, v in keywords.items() if k in ("dim", "axis"))]
        over_experts = any(isinstance(a, ast.Constant) and a.value == 0 for a in axis)
        fused = name in ("einsum", "addcmul", "addcdiv", "lerp", "addmv", "addmm", "baddbmm")
        summed = name in ("sum", "mean", "nansum", "logsumexp") and over_experts
        scaled = name in ("add", "add_", "sub", "sub_") and "alpha" in keywords
        if fused or summed or scaled:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "path",
    [ROOT / "merger/algebra.py", *sorted((ROOT / "merger/methods").glob("*.py"))],
    ids=lambda p: p.stem,
)
def test_sums_over_experts_go_expert_by_expert(path):
    assert forbidden_sums(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "line",
    ["x.sum(0)", "x.sum(dim=0)", "x.mean(axis=0)", "torch.sum(x, dim=0)", "torch.einsum('i', x)",
     "x.add(y, alpha=2)", "torch.addcmul(x, y, z)"],
)  # fmt: skip
def test_the_check_for_sums_bites(line):
    assert forbidden_sums(line) == [1]

"""Every method that mergekit 0.1.5 has, next to mergekit itself."""

import random

import pytest
import torch

from merger.memory import merge_tensors
from tests.conformance.cases import SHAPES, Family, assert_agrees, coefficients, family
from tests.conformance.double import KEY, merge_doubles
from tests.conformance.oracle import ask, mergekit, our_draws

pytestmark = pytest.mark.conformance

GRID = [(shape, n) for shape in SHAPES for n in (1, 2, 3, 6)]


def _names(shape) -> str:
    return "x".join(map(str, shape)) or "0-d"


def _label(case) -> str:
    return f"{_names(case[0])}-{case[1]}"


def only(keep):
    """Compare over the part of the grid that mergekit can take."""
    return pytest.mark.parametrize("case", list(filter(keep, GRID)), indirect=True, ids=_label)


@pytest.fixture(params=GRID, ids=_label)
def case(request) -> tuple[Family, int]:
    """Return models, and a seed for settings that differ from case to case."""
    shape, n = request.param
    seed = GRID.index(request.param)
    return family(shape, n, seed), seed


@pytest.fixture
def pick(case) -> random.Random:
    """Choose settings at random, the same ones in every run."""
    return random.Random(case[1])


def shares(pick: random.Random, n: int, low: float = 0.1, high: float = 0.9) -> list[float]:
    """Return one density per expert, exact in single precision."""
    return [round(pick.uniform(low, high) * 128) / 128 for _ in range(n)]


def test_every_method_of_mergekit_is_here():
    from merger.spec import METHODS

    theirs = {method.spec.name for method in mergekit.registered_methods()}
    assert len(theirs) == 20
    assert theirs <= set(METHODS)


@pytest.mark.parametrize("normalize", [True, False])
def test_linear(case, normalize):
    models, seed = case
    w = coefficients(models.n, seed)
    ours = merge_doubles("linear", models.experts, None, {"normalize": normalize}, w)
    assert_agrees(ours, ask("linear", models.experts, None, {"weight": w, "normalize": normalize}))


@pytest.mark.parametrize("normalize", [True, False])
def test_task_arithmetic(case, pick, normalize):
    models, seed = case
    w, scale = coefficients(models.n, seed), pick.uniform(-1, 2)
    params = {"dialect": "mergekit", "normalize": normalize, "scale": scale}
    ours = merge_doubles("task_arithmetic", models.experts, models.base, params, w)
    theirs = {"weight": w, "normalize": normalize, "lambda": scale}
    assert_agrees(ours, ask("task_arithmetic", models.experts, models.base, theirs))


@pytest.mark.parametrize("normalize", [True, False])
def test_ties(case, pick, normalize):
    models, seed = case
    w, scale = coefficients(models.n, seed), pick.uniform(0.1, 2)
    density = shares(pick, models.n)
    params = {"dialect": "mergekit", "density": tuple(density), "scale": scale}
    params |= {} if normalize else {"combine": "sum"}
    ours = merge_doubles("ties", models.experts, models.base, params, w)
    theirs = {"weight": w, "density": density, "normalize": normalize, "lambda": scale}
    assert_agrees(ours, ask("ties", models.experts, models.base, theirs))


@pytest.mark.parametrize("rescale", [True, False])
def test_dare_linear(case, pick, monkeypatch, rescale):
    models, seed = case
    w, density = coefficients(models.n, seed), shares(pick, models.n)
    params = {"dialect": "mergekit", "density": tuple(density)}
    params |= {} if rescale else {"rescale": "none"}
    ours = merge_doubles("dare_linear", models.experts, models.base, params, w, seed)
    with our_draws(monkeypatch, seed):
        theirs = {"weight": w, "density": density, "rescale": rescale}
        assert_agrees(ours, ask("dare_linear", models.experts, models.base, theirs), 1e-6)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("rescale", [True, False])
def test_dare_ties(case, pick, monkeypatch, rescale, normalize):
    models, seed = case
    w, density = coefficients(models.n, seed), shares(pick, models.n)
    params = {"dialect": "mergekit", "density": tuple(density)}
    params |= {} if rescale else {"rescale": "none"}
    params |= {"combine": "weighted"} if normalize else {}
    ours = merge_doubles("dare_ties", models.experts, models.base, params, w, seed)
    with our_draws(monkeypatch, seed):
        theirs = {"weight": w, "density": density, "rescale": rescale, "normalize": normalize}
        assert_agrees(ours, ask("dare_ties", models.experts, models.base, theirs), 1e-6)


# mergekit ranks other rows of other tensors, or none: see docs/dialects.md.
@only(lambda case: len(case[0]) in (1, 2) and case[0][-1] > 1)
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("name", ["della", "della_linear"])
def test_della(case, pick, monkeypatch, name, rescale):
    models, seed = case
    w, density = coefficients(models.n, seed), shares(pick, models.n, 0.3, 0.7)
    epsilon = shares(pick, models.n, 0.02, 0.2)
    params = {"dialect": "mergekit", "density": tuple(density), "epsilon": tuple(epsilon)}
    params |= {} if rescale else {"rescale": "none"}
    ours = merge_doubles(name, models.experts, models.base, params, w, seed)
    with our_draws(monkeypatch, seed):
        theirs = {"weight": w, "density": density, "epsilon": epsilon, "rescale": rescale}
        assert_agrees(ours, ask(name, models.experts, models.base, theirs), 1e-6)


@pytest.mark.parametrize("name", ["breadcrumbs", "breadcrumbs_ties"])
def test_breadcrumbs(case, pick, name):
    models, seed = case
    w, scale = coefficients(models.n, seed), pick.uniform(0.1, 2)
    density, gamma = shares(pick, models.n), shares(pick, models.n, 0.0, 0.3)
    params = {"dialect": "mergekit", "scale": scale}
    params |= {"density": tuple(density), "gamma": tuple(gamma)}
    ours = merge_doubles(name, models.experts, models.base, params, w)
    theirs = {"weight": w, "density": density, "gamma": gamma, "lambda": scale}
    assert_agrees(ours, ask(name, models.experts, models.base, theirs))


# With one expert mergekit selects nothing: see docs/dialects.md.
@only(lambda case: case[1] > 1)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.11])
def test_sce(case, share):
    models, _ = case
    params = {"dialect": "mergekit", "select_topk": share}
    ours = merge_doubles("sce", models.experts, models.base, params)
    assert_agrees(ours, ask("sce", models.experts, models.base, {"select_topk": share}))


@pytest.mark.parametrize("epsilon", [1e-5, 0.002])
@pytest.mark.parametrize("name", ["ram", "ramplus_tl"])
def test_ram(case, pick, name, epsilon):
    shape, n = GRID[case[1]]
    models = family(shape, n, case[1], gaps=True)
    params = {"epsilon": epsilon}
    if name == "ramplus_tl":
        params |= {"r": pick.uniform(0, 0.5), "alpha": pick.uniform(0, 1)}
    ours = merge_doubles(name, models.experts, models.base, params)
    # mergekit's factor of RAM+ is a number in single precision whatever the tensors are.
    tolerance = 1e-7 if name == "ramplus_tl" else 1e-9
    assert_agrees(ours, ask(name, models.experts, models.base, params), tolerance)


@pytest.mark.parametrize(("shape", "n"), [(s, n) for s, n in GRID if n > 1], ids=str)
def test_model_stock(shape, n):
    # Changes of whole numbers: mergekit's bound on products of lengths would show below them.
    models = family(shape, n, seed=n, unit=1.0)
    ours = merge_doubles("model_stock", models.experts, models.base, {"clamp": False})
    assert_agrees(ours, ask("model_stock", models.experts, models.base))


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, -0.5])
def test_slerp(case, t):
    models, _ = case
    pair = [models.base, models.experts[0]]
    ours = merge_doubles("slerp", pair, None, {"t": t})
    assert_agrees(ours, ask("slerp", pair[1:], pair[0], {"t": t}))


AXES = {"tensor": (True, False), "rows": (False, False), "columns": (False, True)}


def has_arcs(models: Family, axis: str, space: str) -> bool:
    """Return whether no pair of vectors is nearly parallel or opposite."""
    a, b = (e - models.base if space == "task_vectors" else e for e in models.experts[:2])
    if axis == "tensor" or a.dim() < 2:
        a, b = a.reshape(1, -1), b.reshape(1, -1)
    elif axis == "columns":
        a, b = a.transpose(0, -1), b.transpose(0, -1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1)
    return bool((cosine.abs() < 1 - 2e-6).all())


# A vector of one number has no arc; what both make of it is a difference in docs/dialects.md.
ARCS = [
    (case, axis, space)
    for case in GRID
    for axis in AXES
    for space in ("weights", "task_vectors")
    if case[1] == 2 and has_arcs(family(*case, GRID.index(case)), axis, space)
]


@pytest.mark.parametrize(("case", "axis", "space"), ARCS, indirect=["case"])
def test_nuslerp(case, pick, axis, space):
    models, _ = case
    w = shares(pick, 2, 0.1, 2.0)
    flatten, columns = AXES[axis]
    base = models.base if space == "task_vectors" else None
    pair = models.experts[:2]
    ours = merge_doubles("nuslerp", pair, base, {"axis": axis, "space": space}, w)
    theirs = {"weight": w, "nuslerp_flatten": flatten, "nuslerp_row_wise": columns}
    assert_agrees(ours, ask("nuslerp", pair, base, theirs))


@pytest.mark.parametrize("space", ["weights", "task_vectors"])
@pytest.mark.parametrize("normalize", [True, False])
def test_multislerp(case, normalize, space):
    models, seed = case
    w = [abs(c) for c in coefficients(models.n, seed)]
    base = models.base if space == "task_vectors" else None
    ours = merge_doubles(
        "multislerp", models.experts, base, {"space": space, "normalize": normalize}, w
    )
    theirs = ask("multislerp", models.experts, base, {"weight": w, "normalize_weights": normalize})
    assert_agrees(ours, theirs)


@pytest.mark.parametrize(("max_iter", "tol"), [(10, 1e-5), (3, 1e-5), (60, 1e-7)])
def test_karcher(case, max_iter, tol):
    models, _ = case
    params = {"max_iter": max_iter, "tol": tol}
    ours = merge_doubles("karcher", models.experts, None, params)
    assert_agrees(ours, ask("karcher", models.experts, None, params))


@pytest.mark.parametrize("t", [0.0, 0.001, 0.02, 5.0])
def test_nearswap(case, t):
    models, _ = case
    ours = merge_doubles("nearswap", models.experts[:1], models.base, {"t": t})
    assert_agrees(ours, ask("nearswap", models.experts[:1], models.base, {"t": t}))


def test_arcee_fusion(case):
    models, _ = case
    ours = merge_doubles("arcee_fusion", models.experts[:1], models.base)
    assert_agrees(ours, ask("arcee_fusion", models.experts[:1], models.base))


@pytest.mark.parametrize("scale", [None, 0.0, 1.5])
def test_passthrough(case, scale):
    models, _ = case
    ours = merge_doubles(
        "passthrough", models.experts[:1], None, {} if scale is None else {"scale": scale}
    )
    theirs = ask("passthrough", models.experts[:1], None, {"scale": scale})
    assert_agrees(ours, theirs, 0.0)


SINGLE = {
    "linear": ({}, {"weight": [0.5, 1.0, 2.0]}),
    "task_arithmetic": ({"dialect": "mergekit"}, {"weight": [0.5, 1.0, 2.0]}),
    "ties": (
        {"dialect": "mergekit", "density": 0.3},
        {"weight": [0.5, 1.0, 2.0], "density": 0.3},
    ),
    "breadcrumbs": (
        {"dialect": "mergekit", "density": 0.3},
        {"weight": [0.5, 1.0, 2.0], "density": 0.3},
    ),
    "breadcrumbs_ties": (
        {"dialect": "mergekit", "density": 0.3},
        {"weight": [0.5, 1.0, 2.0], "density": 0.3},
    ),
    "sce": ({"dialect": "mergekit", "select_topk": 0.4}, {"select_topk": 0.4}),
    "ram": ({}, {}),
    "ramplus_tl": ({}, {}),
    "model_stock": ({"clamp": False}, {}),
    "karcher": ({}, {}),
    "multislerp": ({}, {"weight": [0.5, 1.0, 2.0]}),
}
BASELESS = ("linear", "karcher", "multislerp")


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("shape", [(), (70,), (30, 40), (4, 3, 3, 3)], ids=_names)
def test_a_merge_as_users_run_it_agrees_in_single_precision(name, shape):
    models = family(shape, 3, seed=5, unit=2.0**-6)
    params, theirs = SINGLE[name]
    experts = [expert.float() for expert in models.experts]
    base = models.base.float()
    ours = merge_tensors(
        name, [{KEY: e} for e in experts], {KEY: base}, params, theirs.get("weight")
    )[KEY]
    found = ask(name, experts, None if name in BASELESS else base, theirs)
    assert found.dtype == ours.dtype == torch.float32
    assert_agrees(ours, found, 3e-6)


PAIRS = {
    "slerp": {"t": 0.3},
    "nearswap": {"t": 0.02},
    "arcee_fusion": {},
    "passthrough": {"scale": 1.5},
    "nuslerp": {},
}
DRAWN = {
    "dare_linear": {"density": 0.5},
    "dare_ties": {"density": 0.5},
    "della": {"density": 0.5, "epsilon": 0.125},
    "della_linear": {"density": 0.5, "epsilon": 0.125},
}


def test_all_twenty_are_compared_over_a_million_entries():
    theirs = {method.spec.name for method in mergekit.registered_methods()}
    assert theirs == {*SINGLE, *PAIRS, *DRAWN}


@pytest.mark.parametrize("name", SINGLE)
def test_a_million_entries_agree(name):
    models = family((1000, 1000), 3, seed=1, unit=2.0**-6)
    params, theirs = SINGLE[name]
    base = None if name in BASELESS else models.base
    ours = merge_doubles(name, models.experts, base, params, theirs.get("weight"))
    # mergekit's factor of RAM+ is a number in single precision whatever the tensors are.
    tolerance = 1e-7 if name == "ramplus_tl" else 1e-9
    assert_agrees(ours, ask(name, models.experts, base, theirs), tolerance)


@pytest.mark.parametrize("name", PAIRS)
def test_a_million_entries_of_two_models_agree(name):
    models = family((1000, 1000), 2, seed=1)
    params = PAIRS[name]
    if name == "nuslerp":
        ours = merge_doubles(name, models.experts, None, {"axis": "tensor"}, [0.5, 1.0])
        theirs = {"weight": [0.5, 1.0], "nuslerp_flatten": True}
        assert_agrees(ours, ask(name, models.experts, None, theirs))
    elif name in ("slerp", "passthrough"):
        pair = [models.base, models.experts[0]] if name == "slerp" else models.experts[:1]
        ours = merge_doubles(name, pair, None, params)
        base = models.base if name == "slerp" else None
        assert_agrees(ours, ask(name, models.experts[:1], base, params))
    else:
        ours = merge_doubles(name, models.experts[:1], models.base, params)
        assert_agrees(ours, ask(name, models.experts[:1], models.base, params))


@pytest.mark.parametrize("name", DRAWN)
def test_a_million_drawn_entries_agree(name, monkeypatch):
    models = family((1000, 1000), 2, seed=1)
    params = DRAWN[name]
    ours = merge_doubles(
        name, models.experts, models.base, {"dialect": "mergekit", **params}, [0.5, 1.0], 7
    )
    with our_draws(monkeypatch, 7):
        theirs = {"weight": [0.5, 1.0], "rescale": True, **params}
        assert_agrees(ours, ask(name, models.experts, models.base, theirs), 1e-6)


# What they call a change at all is an absolute number in RAM; what mergekit takes for 0 in the
# others is in docs/dialects.md.
ABSOLUTE = ("ram", "ramplus_tl")
CALLED_ZERO = ("model_stock", "karcher", "multislerp")
SIZES = [
    (name, size)
    for name in SINGLE
    for size in (2.0**-40, 2.0**20)
    if name not in ABSOLUTE and (name not in CALLED_ZERO or size > 1)
]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_tiny_and_huge_tensors_agree(name, size):
    models = family((30, 40), 3, seed=2)
    # The base is as small as the changes, or they would be lost before any method sees them.
    models = models._replace(
        base=models.base * size, experts=[expert * size for expert in models.experts]
    )
    params, theirs = SINGLE[name]
    base = None if name in BASELESS else models.base
    ours = merge_doubles(name, models.experts, base, params, theirs.get("weight"))
    found = ask(name, models.experts, base, theirs)
    assert_agrees(ours / size, found / size)

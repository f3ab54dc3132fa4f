"""Where we differ from mergekit 0.1.5 on purpose; docs/dialects.md lists every one of these."""

import math

import pytest
import torch

from merger.errors import FeedError, RecipeError
from merger.memory import merge_tensors
from merger.spec import METHODS
from tests.conformance.cases import assert_agrees, family
from tests.conformance.double import KEY, merge_doubles
from tests.conformance.oracle import ask, mergekit, our_draws

pytestmark = pytest.mark.conformance

MODELS = family((6, 8), 3, seed=0)
ONE = [1.0] * 3


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the length of the difference next to the length of mergekit's result."""
    return float((ours - theirs).norm() / theirs.norm())


def test_our_defaults_of_its_dialect_are_its_own_but_for_density():
    words = {"lambda": "scale", "rescale": None, "normalize": None, "int8_mask": None}
    words |= {"weight": None}
    differ = {}
    for method in mergekit.registered_methods():
        ours = METHODS[method.spec.name]
        dialect = {"dialect": "mergekit"} if "mergekit" in ours.dialects else {}
        settings = ours.resolve(dialect)
        for parameter in method.spec.parameters:
            name = words.get(parameter.name, parameter.name)
            if name in settings and settings[name] != parameter.default:
                differ[method.spec.name] = (name, settings[name], parameter.default)
    assert {name: what[0] for name, what in differ.items() if what[0] == "density"} == {
        name: "density"
        for name in ("ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties",
                     "della", "della_linear")
    }  # fmt: skip
    # No default there, or none at all: nothing to differ from.
    assert {what[0] for what in differ.values()} <= {"density", "t", "scale"}


def test_ties_ranks_over_the_model_unless_its_dialect_is_chosen():
    small = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([10.0, 20.0])}
    base = {key: torch.zeros(2) for key in small}
    ours = merge_tensors("ties", [small], base, {"density": 0.5})
    assert (ours["a"].tolist(), ours["b"].tolist()) == ([0, 0], [10, 20])
    params = {"weight": [1.0], "density": 0.5}
    assert ask("ties", [small["a"]], base["a"], params).tolist() == [0, 2]


def test_equal_magnitudes_are_kept_by_lowest_index_here_and_by_chance_there():
    base = torch.zeros(100)
    expert = torch.ones(100)
    params = {"weight": [1.0], "density": 0.3}
    theirs = ask("ties", [expert], base, params)
    ours = merge_doubles("ties", [expert], base, {"dialect": "mergekit", "density": 0.3})
    assert theirs.sum() == ours.sum() == 30
    assert ours.tolist() == [1.0] * 30 + [0.0] * 70


def test_coefficients_that_cancel_are_an_error_here_and_infinite_there():
    with pytest.raises(RecipeError, match="must not add up to 0"):
        merge_doubles("linear", MODELS.experts[:2], None, weights=(1.0, -1.0))
    assert not ask("linear", MODELS.experts[:2], None, {"weight": [1.0, -1.0]}).isfinite().all()


def test_a_density_that_does_nothing_is_an_error_here():
    base, experts = MODELS.base, MODELS.experts
    thin = ask("task_arithmetic", experts, base, {"weight": ONE, "density": 0.1})
    assert torch.equal(thin, ask("task_arithmetic", experts, base, {"weight": ONE}))
    with pytest.raises(RecipeError, match="task_arithmetic has no parameter 'density'"):
        merge_doubles("task_arithmetic", experts, base, {"density": 0.1})


def test_dare_divides_by_the_density_as_the_paper_does(monkeypatch):
    density = {"density": 0.25, "scale": 1.0}
    ours = merge_doubles("dare_linear", MODELS.experts, MODELS.base, density, seed=1)
    with our_draws(monkeypatch, 1):
        params = {"weight": ONE, "density": 0.25}
        theirs = ask("dare_linear", MODELS.experts, MODELS.base, params)
    assert far(ours - MODELS.base, theirs - MODELS.base) > 0.05
    plain = merge_doubles(
        "dare_linear", MODELS.experts, MODELS.base, density | {"rescale": "none"}, seed=1
    )
    torch.testing.assert_close(ours - MODELS.base, 4 * (plain - MODELS.base))


def test_tiny_tensors_are_rescaled_too(monkeypatch):
    base = torch.zeros(40, dtype=torch.float64)
    tau = 1e-10 * torch.arange(1, 41).double()
    params = {"dialect": "mergekit", "density": 0.5}
    ours = merge_doubles("dare_linear", [tau], base, params)
    assert ours.abs().sum().item() == pytest.approx(tau.sum().item())
    with our_draws(monkeypatch, 0):
        theirs = ask("dare_linear", [tau], base, {"weight": [1.0], "density": 0.5})
    assert theirs.abs().sum().item() < 0.8 * tau.sum().item()


def test_della_takes_rows_of_one_number_and_single_numbers():
    for shape in ((), (5, 1)):
        models = family(shape, 2, seed=0)
        ours = merge_doubles("della", models.experts, models.base, {"dialect": "mergekit"})
        assert ours.isfinite().all()
        with pytest.raises((RuntimeError, IndexError)):
            ask("della", models.experts, models.base, {"weight": [1.0, 1.0], "density": 0.7})


def test_della_ranks_a_kernel_by_output_channel(monkeypatch):
    models = family((2, 3, 5), 2, seed=0)
    params = {"dialect": "mergekit", "density": 0.5, "epsilon": 0.45}
    ours = merge_doubles("della_linear", models.experts, models.base, params)
    theirs = {"weight": [1.0, 1.0], "density": 0.5, "epsilon": 0.45}
    with our_draws(monkeypatch, 0):
        found = ask("della_linear", models.experts, models.base, theirs)
    assert far(ours - models.base, found - models.base) > 0.1
    # The same rows laid out as a matrix are the same.
    with our_draws(monkeypatch, 0):
        flat = [expert.reshape(2, 15) for expert in models.experts]
        found = ask("della_linear", flat, models.base.reshape(2, 15), theirs)
    assert_agrees(ours.reshape(2, 15), found, 1e-6)


def test_breadcrumbs_ranks_rows_and_keeps_one_entry_unless_its_dialect_is_chosen():
    models = family((4, 3), 1, seed=0)
    ours = merge_doubles("breadcrumbs", models.experts, models.base, {"density": 0.05})
    assert ((ours != models.base).sum(1) == 1).all()
    theirs = {"weight": [1.0], "density": 0.05}
    assert torch.equal(ask("breadcrumbs", models.experts, models.base, theirs), models.base)


def test_sce_weighs_small_changes_too():
    base = torch.zeros(1000, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    taus = [torch.randn(1000, generator=generator).double() * size for size in (5e-4, 1e-4)]
    theirs = ask("sce", taus, base)
    assert_agrees(merge_doubles("sce", taus, base, {"dialect": "mergekit"}), theirs)
    assert far(merge_doubles("sce", taus, base), theirs) > 0.1


def test_sce_of_one_expert_selects_everything():
    base, expert = MODELS.base, MODELS.experts[0]
    assert torch.equal(ask("sce", [expert], base, {"select_topk": 0.5}), base)
    torch.testing.assert_close(merge_doubles("sce", [expert], base, {"select_topk": 0.5}), expert)


def test_model_stock_never_turns_around_unless_it_may():
    tau = torch.eye(3, dtype=torch.float64)[0]
    taus = [tau, -0.9 * tau + 0.1 * torch.tensor([0.0, 1.0, 0.0])]
    base = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(merge_doubles("model_stock", taus, base), base)
    theirs = ask("model_stock", taus, base)
    assert theirs.abs().max() > 0.1
    assert_agrees(merge_doubles("model_stock", taus, base, {"clamp": False}), theirs)


def test_model_stock_does_not_depend_on_the_size_of_the_changes():
    models = family((40,), 2, seed=3, unit=1.0)
    base = torch.zeros(40, dtype=torch.float64)
    taus = [expert - models.base for expert in models.experts]
    tiny = [tau * 1e-6 for tau in taus]
    params = {"clamp": False}
    ours = merge_doubles("model_stock", tiny, base, params)
    torch.testing.assert_close(ours, 1e-6 * merge_doubles("model_stock", taus, base, params))
    assert far(1e6 * ask("model_stock", tiny, base), ask("model_stock", taus, base)) > 0.1


def test_nuslerp_joins_unchanged_vectors_by_a_line():
    zero = torch.zeros_like(MODELS.base)
    ours = merge_doubles("nuslerp", [MODELS.experts[0], zero], None)
    torch.testing.assert_close(ours, 0.5 * MODELS.experts[0])
    theirs = ask("nuslerp", [MODELS.experts[0], zero], None, {"weight": [1.0, 1.0]})
    torch.testing.assert_close(theirs, math.sqrt(0.5) * MODELS.experts[0])


def test_nuslerp_joins_opposite_vectors_by_a_line():
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for _ in range(30):
        vector = torch.randn(50, generator=generator)
        pair = [vector, -2.0 * vector]
        ours = merge_tensors("nuslerp", [{KEY: v} for v in pair], None, weights=(3.0, 1.0))[KEY]
        torch.testing.assert_close(ours, 0.25 * vector)
        theirs = ask("nuslerp", pair, None, {"weight": [3.0, 1.0]})
        largest = max(largest, float(theirs.norm() / vector.norm()))
    assert largest > 100.0


def test_directions_that_cancel_are_averaged_here_and_refused_there():
    base, experts = MODELS.base, [MODELS.base] * 3
    with pytest.raises(ValueError, match="weighted sum of the input tensors is zero"):
        ask("multislerp", experts, base, {"weight": ONE})
    ours = merge_doubles("multislerp", experts, base, {"space": "task_vectors"})
    assert torch.equal(ours, base)


def test_multislerp_does_not_depend_on_the_size_of_the_tensors():
    tiny = [expert * 2.0**-40 for expert in MODELS.experts]
    ours = merge_doubles("multislerp", tiny, None) * 2.0**40
    torch.testing.assert_close(ours, merge_doubles("multislerp", MODELS.experts, None))
    theirs = [ask("multislerp", e, None, {"weight": 1.0}) for e in (tiny, MODELS.experts)]
    assert far(theirs[0] * 2.0**40, theirs[1]) > 1e-6


def test_karcher_does_not_depend_on_the_size_of_the_tensors():
    tiny = [torch.tensor([2e-6, 0.0]), torch.tensor([0.0, 2e-6])]
    assert ask("karcher", tiny).tolist() == [0, 0]
    ours = merge_doubles("karcher", tiny, None)
    torch.testing.assert_close(ours, torch.full((2,), 2e-6 * math.sqrt(0.5)))


def test_karcher_may_weigh_its_experts():
    # Here weights (1 - t, t) are SLERP at t; mergekit has no such parameter.
    changes = [expert - MODELS.base for expert in MODELS.experts[:2]]
    pair = [change / change.norm() for change in changes]
    params = {"max_iter": 100, "tol": 1e-9}
    ours = merge_doubles("karcher", pair, None, params, (0.75, 0.25))
    torch.testing.assert_close(ours, ask("slerp", pair[1:], pair[0], {"t": 0.25}))
    with pytest.raises((TypeError, ValueError)):
        ask("karcher", pair, None, {"weight": [0.75, 0.25]})


def test_nearswap_bounds_the_smallest_changes_too():
    base = torch.zeros(1, dtype=torch.float64)
    expert = torch.tensor([5e-7], dtype=torch.float64)
    assert merge_doubles("nearswap", [expert], base, {"t": 1e-7}).item() == 1e-7
    assert ask("nearswap", [expert], base, {"t": 1e-7}).item() == pytest.approx(5e-8)


def test_arcee_fusion_is_computed_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(64, 64, generator=generator)
    expert = base + 1e-4 * torch.randn(64, 64, generator=generator)
    exact = ask("arcee_fusion", [expert.double()], base.double()) != base
    ours = merge_tensors("arcee_fusion", [{KEY: expert}], {KEY: base})[KEY] != base
    assert torch.equal(ours, exact)
    theirs = ask("arcee_fusion", [expert], base) != base
    assert (theirs != exact).sum() > 10


def test_arcee_fusion_looks_at_every_entry_of_a_large_tensor():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(1100, 1000, generator=generator)
    expert = base + 0.1 * torch.randn(1100, 1000, generator=generator)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(ask("arcee_fusion", [expert], base))
    assert not torch.equal(*found)
    ours = [merge_tensors("arcee_fusion", [{KEY: expert}], {KEY: base}, seed=s) for s in (1, 2)]
    assert torch.equal(ours[0][KEY], ours[1][KEY])


def test_half_precision_is_rounded_once():
    experts = [expert.bfloat16() for expert in MODELS.experts]
    base = MODELS.base.bfloat16()
    params = {"dialect": "mergekit", "density": 0.75}
    exact = merge_doubles("ties", [e.double() for e in experts], base.double(), params)
    ours = merge_tensors("ties", [{KEY: e} for e in experts], {KEY: base}, params)[KEY]
    theirs = ask("ties", experts, base, {"weight": ONE, "density": 0.75})
    assert ours.dtype == theirs.dtype == torch.bfloat16
    assert torch.equal(ours, exact.bfloat16())
    assert far(theirs.double(), exact) > 1.5 * far(ours.double(), exact)


def test_numbers_that_are_not_finite_are_refused():
    broken = MODELS.experts[0].clone()
    broken[0, 0] = math.nan
    assert ask("linear", [broken], None, {"weight": [1.0]}).isnan().any()
    with pytest.raises(FeedError, match="holds NaN or infinity"):
        merge_tensors("linear", [{KEY: broken}])


def test_draws_follow_names_and_not_the_order_of_experts():
    def drawn(order: list[int]) -> torch.Tensor:
        torch.manual_seed(0)
        experts = [MODELS.experts[i] for i in order]
        return ask("dare_linear", experts, MODELS.base, {"weight": ONE, "density": 0.5})

    assert far(drawn([0, 1, 2]), drawn([2, 0, 1])) > 0.01
    ours = [
        merge_tensors(
            "dare_linear",
            [{KEY: MODELS.experts[i]} for i in order],
            {KEY: MODELS.base},
            names=[f"e{i}" for i in order],
        )[KEY]
        for order in ([0, 1, 2], [2, 0, 1])
    ]
    torch.testing.assert_close(ours[0], ours[1])


NOT_OFFERED = (
    ("ties", "rescale"),
    ("breadcrumbs", "rescale"),
    ("breadcrumbs_ties", "rescale"),
    ("task_arithmetic", "rescale"),
    ("dare_linear", "normalize"),
    ("della_linear", "normalize"),
    ("breadcrumbs", "normalize"),
    ("model_stock", "filter_wise"),
)


def test_what_mergekit_offers_and_we_do_not():
    theirs = {
        (method.spec.name, parameter.name)
        for method in mergekit.registered_methods()
        for parameter in method.spec.parameters
    }
    for method, parameter in NOT_OFFERED:
        assert (method, parameter) in theirs
        assert parameter not in {p.name for p in METHODS[method].params}

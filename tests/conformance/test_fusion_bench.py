"""Methods that fusion-bench 0.2.33 has too, next to fusion-bench itself."""

import pytest
import torch
from torch import Tensor

from merger.memory import merge_tensors
from merger.randomness import key_of, uniforms
from merger.spec import METHODS
from tests.conformance import fusion
from tests.conformance.cases import SHAPES, Family, assert_agrees, coefficients, family
from tests.conformance.double import KEY, merge_doubles

pytestmark = pytest.mark.conformance

GRID = [(shape, n) for shape in SHAPES for n in (1, 2, 3, 6)]
MATRICES = [(shape, n) for shape in ((12, 12), (30, 41), (17, 9)) for n in (1, 2, 3)]


def _label(case) -> str:
    return "x".join(map(str, case[0])) + f"-{case[1]}"


@pytest.fixture(params=GRID, ids=_label)
def models(request) -> Family:
    """Return models of every shape."""
    shape, n = request.param
    return family(shape, n, GRID.index(request.param))


@pytest.fixture(params=MATRICES, ids=_label)
def matrices(request) -> list[Tensor]:
    """Return task vectors of full rank; the base is 0."""
    shape, n = request.param
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(n)]


LARGE = [case for case in GRID if torch.Size(case[0]).numel() > 6]


@pytest.fixture(params=LARGE, ids=_label)
def large(request) -> Family:
    """Return models with enough entries for every expert to keep some, and large changes."""
    shape, n = request.param
    return family(shape, n, LARGE.index(request.param), unit=1.0)


def changes(models: Family) -> list[Tensor]:
    """Return the task vectors."""
    return [expert - models.base for expert in models.experts]


def update(method: str, taus: list[Tensor], **params: object) -> Tensor:
    """Return what we change of a base of zeros."""
    return merge_doubles(method, taus, torch.zeros_like(taus[0]), params)


def test_average_and_linear(models):
    found = fusion.arithmetic.state_dict_avg(fusion.dicts(models.experts))[fusion.KEY]
    assert_agrees(merge_doubles("average", models.experts, None), found)
    shares = coefficients(models.n, 0)
    found = fusion.arithmetic.state_dict_weighted_sum(fusion.dicts(models.experts), shares)
    ours = merge_doubles("linear", models.experts, None, {"normalize": False}, shares)
    assert_agrees(ours, found[fusion.KEY])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_interpolation_and_extrapolation(models, alpha):
    pair = [models.base, models.experts[0]]
    found = fusion.arithmetic.state_dict_weighted_sum(fusion.dicts(pair), [1 - alpha, alpha])
    ours = merge_doubles("wise_ft", pair[1:], models.base, {"alpha": alpha})
    assert_agrees(ours, found[fusion.KEY])
    merged = fusion.expo.expo_merge(fusion.model(pair[0]), fusion.model(pair[1]), alpha)
    ours = merge_doubles("expo", pair[1:], models.base, {"alpha": alpha})
    assert_agrees(ours, merged[fusion.KEY].detach())


def test_task_arithmetic_and_magmax(models):
    for name, merge in (
        ("task_arithmetic", fusion.task_arithmetic.task_arithmetic_merge),
        ("magmax", fusion.magmax.magmax_merge),
    ):
        experts = [fusion.stored(expert) for expert in models.experts]
        theirs = merge(fusion.stored(models.base), experts, scaling_factor=0.3)
        ours = merge_doubles(name, models.experts, models.base, {"scale": 0.3})
        assert_agrees(ours, theirs.state_dict()[fusion.KEY])


@pytest.mark.parametrize("combine", ["mean", "sum", "max"])
@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_ties(models, combine, density):
    # Without sums that are exactly 0, where both break ties in their own way.
    taus = [tau * (1.0 + i / 8.0 + i * i / 64.0) for i, tau in enumerate(changes(models))]
    stack = torch.stack([tau.reshape(-1) for tau in taus])
    size = stack.shape[1]
    theirs = fusion.ties.ties_merging(stack, density, combine)
    # It keeps one entry more than it is asked for.
    params = {"density": min(1.0, (int(size * density) + 1.5) / size), "combine": combine}
    ours = merge_doubles("ties", taus, torch.zeros_like(models.base), params)
    assert_agrees(ours.reshape(-1), theirs)


@pytest.mark.parametrize("t", [0.0, 0.25, 0.8])
def test_slerp(models, t):
    pair = [models.experts[0], models.base]
    theirs = fusion.slerp.slerp(t, *pair)
    assert_agrees(merge_doubles("slerp", pair, None, {"t": t}), theirs)


@pytest.mark.parametrize("strictness", [0.2, 0.4, 1.5])
def test_tall_masks_and_consensus(models, strictness):
    taus = torch.stack([tau.reshape(-1) for tau in changes(models)])
    weights = torch.stack([expert.reshape(-1) for expert in models.experts])
    base = models.base.reshape(-1)
    masks = fusion.masks.generate_task_masks(taus, weights, base, tall_mask_lambda=strictness)
    masks = masks.reshape(taus.shape)
    whole = taus.sum(0)
    params = {"strictness": strictness}
    ours = merge_doubles("tall_masks", models.experts, models.base, params)
    assert_agrees(ours.reshape(taus.shape), base + masks * whole)
    params |= {"scale": 1.0}
    ours = merge_doubles("consensus", models.experts, models.base, params)
    assert_agrees(ours.reshape(-1), base + (masks.sum(0) >= 2) * whole)


def test_emr(large):
    unified, masks, rescalers = fusion.emr.emr_merge(fusion.dicts(changes(large)))
    parts = zip(masks[fusion.KEY], rescalers, strict=True)
    theirs = torch.stack([unified[fusion.KEY] * mask * scale.double() for mask, scale in parts])
    ours = merge_doubles("emr", large.experts, large.base) - large.base
    # It adds up the factors in single precision.
    assert_agrees(ours, theirs, 1e-6)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_dare_on_the_same_masks(models, density, monkeypatch):
    taus = changes(models)
    for i, tau in enumerate(taus):
        drawn = uniforms(key_of(3, f"e{i}", KEY, ""), 0, tau.numel())
        draws = 1.0 - torch.from_numpy(drawn).double().reshape(tau.shape)
        with monkeypatch.context() as patch:
            patch.setattr(torch, "rand_like", lambda like, draws=draws: draws)
            fusion.dare.param_random_drop_(tau, 1.0 - density, rescale=True)
    params = {"density": density, "scale": 1.0}
    ours = merge_doubles("dare_linear", models.experts, models.base, params, seed=3)
    assert_agrees(ours, models.base + sum(taus), 1e-6)


def test_model_stock_of_two(large):
    pair = (large.experts * 2)[:2]
    states = fusion.dicts([*pair, large.base])
    ratio = fusion.model_stock.compute_ratio(fusion.model_stock.compute_angle(*states))
    theirs = fusion.model_stock.merge_weights(*states, ratio)[fusion.KEY]
    ours = merge_doubles("model_stock", pair, large.base, {"clamp": False})
    # It takes angles in single precision.
    assert_agrees(ours, theirs, 1e-5)


def test_isotropic_merging(matrices):
    theirs = fusion.iso.iso_c(fusion.dicts(matrices), "cpu")[fusion.KEY]
    assert_agrees(update("iso_c", matrices, full=True), theirs)
    assert_agrees(update("iso_c", matrices), theirs)
    for common in (0.3, 0.8, 1.0):
        theirs = fusion.iso.iso_cts(fusion.dicts(matrices), common, "cpu")[fusion.KEY]
        assert_agrees(update("iso_cts", matrices, common=common), theirs)


def test_task_singular_vectors(matrices):
    theirs = fusion.tsv_m.compute_and_sum_svd_mem_reduction(fusion.dicts(matrices), None, "cpu")
    assert_agrees(update("tsv_m", matrices), theirs[fusion.KEY])
    kept = update("tsv_c", matrices, density=0.4)
    for ours, tau in zip(kept, matrices, strict=True):
        _, left, strength, right = fusion.tsv_c.compute_svd_and_compress(KEY, tau, 0.4)
        assert_agrees(ours, left @ torch.diag(strength) @ right)


def test_what_is_no_matrix_is_averaged():
    models = family((9,), 3, seed=0)
    taus = fusion.dicts(changes(models))
    pairs = [
        ("iso_c", fusion.iso.iso_c(taus, "cpu")),
        ("iso_cts", fusion.iso.iso_cts(taus, 0.8, "cpu")),
        ("tsv_m", fusion.tsv_m.compute_and_sum_svd_mem_reduction(taus, None, "cpu")),
    ]
    for name, theirs in pairs:
        ours = merge_doubles(name, models.experts, models.base) - models.base
        assert_agrees(ours, theirs[fusion.KEY])


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_singular_value_calibration(matrices, alpha):
    zero, merged = torch.zeros_like(matrices[0]), sum(matrices)
    for calibrate in (
        fusion.svc.subspace_consistency_spectral_calibration,
        fusion.svc.subspace_consistency_spectral_calibration_accelerated,
    ):
        theirs = calibrate(zero, matrices, merged, alpha, torch.device("cpu"))
        after = [("svc", {"alpha": alpha})]
        ours = merge_doubles("task_arithmetic", matrices, zero, {"scale": 1.0}, after=after)
        assert_agrees(ours, theirs)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9])
def test_opcm(matrices, alpha):
    assert_agrees(update("opcm", matrices, alpha=alpha), fusion.merge_in_order(matrices, alpha))


@pytest.mark.parametrize("density", [0.2, 0.7])
def test_knots(matrices, density):
    matrices = matrices if len(matrices) > 1 else [*matrices, 0.5 * matrices[0].roll(1, 0)]
    frame, strength, rows = fusion.knots.subspace_alignment(matrices)
    own = torch.stack([(strength[:, None] * row).reshape(-1) for row in rows])
    size = own.shape[1]
    theirs = frame @ fusion.ties.ties_merging(own, density, "mean").reshape(rows[0].shape)
    params = {"density": (int(size * density) + 1.5) / size, "scale": 1.0}
    # Coordinates are ranked in single precision, as users run it.
    models = [{KEY: matrix.float()} for matrix in matrices]
    base = {KEY: torch.zeros_like(models[0][KEY])}
    assert_agrees(merge_tensors("knots", models, base, params)[KEY], theirs, 3e-6)


def test_the_loss_of_wudi_is_never_higher_than_theirs(matrices):
    theirs = fusion.wudi.wudi_merging(fusion.dicts(matrices), "cpu", 20)[fusion.KEY].detach()

    def loss(found: Tensor) -> float:
        parts = [((found - tau) @ tau.T).square().sum() / tau.square().sum() for tau in matrices]
        return float(sum(parts))

    assert loss(update("wudi", matrices)) <= loss(theirs) * (1 + 1e-9) + 1e-15


def test_all_that_is_compared_here_is_told_as_run():
    run = ("average", "expo", "magmax", "tall_masks", "consensus", "emr", "iso_c", "iso_cts",
           "tsv_m", "tsv_c", "svc", "opcm", "knots", "wise_ft")  # fmt: skip
    assert {METHODS[name].evidence for name in run} == {"code run"}

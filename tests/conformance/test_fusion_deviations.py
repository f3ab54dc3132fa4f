"""Where we differ from fusion-bench 0.2.33 on purpose; docs/dialects.md lists all of these."""

import pytest
import torch

from tests.conformance import fusion
from tests.conformance.cases import family
from tests.conformance.double import merge_doubles

pytestmark = pytest.mark.conformance

GENERATOR = torch.Generator().manual_seed(0)
TAUS = [torch.randn((12, 16), generator=GENERATOR, dtype=torch.float64) for _ in range(4)]
ZERO = torch.zeros_like(TAUS[0])


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the length of the difference next to the length of ours."""
    return float((ours - theirs).norm() / ours.norm())


def test_ties_keeps_exactly_the_share_and_there_one_entry_more():
    models = family((100,), 1, seed=0)
    ours = merge_doubles("ties", models.experts, models.base, {"density": 0.2})
    theirs = fusion.ties.ties_merging((models.experts[0] - models.base)[None], 0.2, "mean")
    assert ((ours != models.base).sum(), (theirs != 0).sum()) == (20, 21)


def test_ties_keeps_everything_at_a_share_of_one_and_stops_there():
    models = family((10,), 1, seed=0)
    ours = merge_doubles("ties", models.experts, models.base, {"density": 1.0})
    assert torch.equal(ours, models.experts[0])
    with pytest.raises((RuntimeError, IndexError)):
        fusion.ties.ties_merging((models.experts[0] - models.base)[None], 1.0, "mean")


def test_votes_that_cancel_give_nothing_and_there_the_negative_value():
    pair = [torch.tensor([1.0], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)]
    ours = merge_doubles("ties", pair, torch.zeros_like(pair[0]), {"density": 1.0})
    assert ours.tolist() == [0]
    assert fusion.ties.ties_merging(torch.stack(pair), 0.5, "mean").tolist() == [-1]


def test_tall_masks_compare_weights_and_there_task_vectors_take_their_place():
    # Its algorithm hands task vectors over where the function expects weights.
    base = 3.0 * TAUS[3].reshape(-1)
    taus = torch.stack([tau.reshape(-1) for tau in TAUS[:3]])
    right = fusion.masks.generate_task_masks(taus, base + taus, base, tall_mask_lambda=0.4)
    wrong = fusion.masks.generate_task_masks(taus, taus, base, tall_mask_lambda=0.4)
    assert (right != wrong).double().mean() > 0.2


def test_equal_experts_are_kept_by_tsv_and_there_filled_with_made_up_directions():
    twins = [TAUS[0][:4] @ torch.diag(torch.ones(16, dtype=torch.float64))] * 4
    left, strength, right = torch.linalg.svd(twins[0], full_matrices=False)
    first = strength[0] * left[:, :1] @ right[:1]
    ours = merge_doubles("tsv_m", twins, torch.zeros_like(twins[0]))
    theirs = fusion.tsv_m.compute_and_sum_svd_mem_reduction(fusion.dicts(twins), None, "cpu")
    assert far(first, theirs[fusion.KEY]) > 0.5
    assert far(ours, theirs[fusion.KEY]) > 0.5
    assert int(torch.linalg.matrix_rank(ours)) == 1


def test_more_experts_than_directions_change_something_and_there_nothing():
    small = [tau[:2, :5] for tau in TAUS[:3]]
    theirs = fusion.tsv_m.compute_and_sum_svd_mem_reduction(fusion.dicts(small), None, "cpu")
    assert not theirs[fusion.KEY].any()
    assert merge_doubles("tsv_m", small, torch.zeros_like(small[0])).any()


def test_small_matrices_of_many_experts_are_spread_and_there_stop_with_an_error():
    small = [tau[:4, :5] for tau in TAUS] + [tau[4:8, :5] for tau in TAUS[:2]]
    with pytest.raises(RuntimeError):
        fusion.iso.iso_cts(fusion.dicts(small), 0.2, "cpu")
    params = {"common": 0.2}
    assert merge_doubles("iso_cts", small, torch.zeros_like(small[0]), params).isfinite().all()


def test_directions_that_nobody_changed_stay_out_and_there_are_as_strong_as_all():
    low = [tau[:, :2] @ tau[:2] for tau in TAUS[:2]]
    theirs = fusion.iso.iso_c(fusion.dicts(low), "cpu")[fusion.KEY]
    ours = merge_doubles("iso_c", low, ZERO)
    assert int(torch.linalg.matrix_rank(ours)) == 4
    assert int(torch.linalg.matrix_rank(theirs)) == 12


def test_an_expert_of_which_nothing_is_left_is_not_rescaled_and_there_is_not_a_number():
    pair = [torch.tensor([2.0], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)]
    _, _, rescalers = fusion.emr.emr_merge(fusion.dicts(pair))
    assert not rescalers.isfinite().all()
    ours = merge_doubles("emr", pair, torch.zeros_like(pair[0]))
    assert ours.tolist() == [[2.0], [0.0]]


def test_model_stock_averages_cosines_and_there_angles():
    flat = [tau.reshape(-1) for tau in TAUS[:3]]
    experts = [flat[0], flat[0] + 0.2 * flat[1], flat[2]]
    zero = torch.zeros_like(flat[0])
    pairs = [(0, 1), (0, 2), (1, 2)]
    angles = [
        fusion.model_stock.compute_angle(*fusion.dicts([experts[i], experts[j], zero]))
        for i, j in pairs
    ]
    mean = {fusion.KEY: sum(angle[fusion.KEY] for angle in angles) / 3}
    ratio = fusion.model_stock.compute_ratio(mean, 3)[fusion.KEY]
    ours = merge_doubles("model_stock", experts, zero, {"clamp": False})
    theirs = ratio * sum(experts) / 3
    assert far(ours, theirs) > 0.001


def test_a_share_that_is_never_reached_guards_all_of_opcm_and_there_nothing():
    # There a share that is never passed, counts as no guarded direction at all.
    theirs = fusion.merge_in_order(TAUS[:2], 1.1)
    assert far(merge_doubles("opcm", TAUS[:2], ZERO, {"alpha": 0.99}), theirs) > 0.01
    torch.testing.assert_close(theirs, fusion.merge_in_order(TAUS[:2], 0.0))

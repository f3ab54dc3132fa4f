"""SCE: weights from energy, selection by variance, and the two codes that share its name."""

import pytest
import torch

from merger.masks import largest
from merger.memory import merge_tensors
from tests.unit.methods.test_hand_computed import OPEN, check, merged


def sce(*tau, **params) -> torch.Tensor:
    experts = [{"w": torch.tensor(t)} for t in tau]
    return merge_tensors("sce", experts, {"w": torch.zeros_like(experts[0]["w"])}, params)["w"]


def test_values_that_agree_are_weighed_by_energy():
    check(
        merged("sce"), [[-3.2, 1.182689, 1.56562], [0.295089, 4, -0.848821]], without=OPEN
    )  # fmt: skip


def test_selection_masks_the_update_or_only_the_weights():
    check(merged("sce", params={"select_topk": 0.5}), [[-3.2, 0, 1.334062], [0, 4, 0]])
    weights_only = [[-3.2, 1.182761, 1.334062], [0.262009, 4, -0.817956]]
    for params in ({"select": "weights"}, {"dialect": "fusechat"}):
        check(merged("sce", params={"select_topk": 0.5, **params}), weights_only, without=OPEN)


def test_experts_that_are_equal_leave_nothing_to_select():
    tau = [0.1, -0.7, 0.3]
    assert sce(tau, tau, tau, select_topk=0.5).tolist() == [0, 0, 0]
    weighed = sce(tau, tau, tau, select_topk=0.5, select="weights")
    torch.testing.assert_close(weighed, torch.tensor(tau))


def test_one_expert_is_never_selected_from():
    tau = [0.1, -0.7, 0.3]
    assert sce(tau, select_topk=0.1).tolist() == pytest.approx(tau)


def test_small_updates_keep_their_weights_unless_mergekits_floor_takes_them():
    small = [5e-4, 5e-4], [1e-4, 1e-4]
    found = sce(*small).tolist()
    assert found == pytest.approx([(25 * 5e-4 + 1e-4) / 26] * 2, rel=1e-5)
    assert sce(*small, dialect="mergekit").tolist() == pytest.approx([3e-4] * 2, rel=1e-5)


def test_only_entries_that_vary_are_counted_for_the_share():
    first, second = [1.0, 1.0, 1.0, 5.0], [1.0, 1.0, 3.0, 9.0]
    found = sce(first, second, select_topk=0.5)
    assert torch.nonzero(found).flatten().tolist() == [3]


def test_the_largest_are_exactly_as_many_as_asked_for():
    values = torch.tensor([[2.0, 5.0], [2.0, 2.0], [0.0, 1.0]])
    assert largest(values, 3).tolist() == [[1, 1], [1, 0], [0, 0]]
    assert largest(values, 0).sum() == 0 and largest(values, 6).sum() == 6
    assert largest(torch.zeros(0), 0).shape == (0,)

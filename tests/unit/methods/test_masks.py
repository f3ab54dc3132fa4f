"""TALL-masks, Consensus and EMR: which entries an expert keeps, and what that gives back."""

import pytest
import torch

from merger.memory import merge_tensors
from tests.unit.methods.test_hand_computed import BASE, OPEN, TAU, check, merged

NAMES = ["a", "b", "c"]


def each(name: str, tau=TAU, **options) -> list[torch.Tensor]:
    experts = [{"w": torch.tensor(t)} for t in tau]
    found = merge_tensors(name, experts, BASE, names=NAMES[: len(tau)], **options)
    return [found[expert]["w"] for expert in found]


def test_masks_keep_what_an_expert_changed_more_than_the_others():
    masks = [[1, 1, 1], [1, 0, 1]], [[1, 1, 0], [1, 1, 1]], [[1, 1, 0], [1, 1, 0]]
    summed = torch.tensor([[-0.2, 0.4, 2.3], [0, 1.9, -2.5]])
    for found, mask in zip(each("tall_masks"), masks, strict=True):
        check(found, (summed * torch.tensor(mask)).tolist(), without=OPEN)


def test_consensus_keeps_what_two_experts_need():
    found = merged("consensus", params={"k": 2, "scale": 1.0})
    check(found, [[-0.2, 0.4, 0], [0, 1.9, -2.5]], without=OPEN)


def test_consensus_of_none_is_task_arithmetic_and_of_too_many_the_base():
    plain = merged("task_arithmetic", params={"scale": 0.3})
    assert torch.equal(merged("consensus", params={"k": 0}), plain)
    assert not merged("consensus", params={"k": 4}).any()


def test_consensus_after_ties_is_the_sum_of_those_that_agree():
    params = {"unified": "ties", "density": 0.5, "k": 0, "scale": 1.0}
    check(merged("consensus", params=params), [[-3.2, 2.4, 3], [0, 4, -1.2]])
    same = merged("ties", params={"density": 0.5, "combine": "sum"})
    assert torch.equal(merged("consensus", params=params), same)


def test_masks_shrink_as_they_become_stricter():
    counts = [
        sum(int((found != 0).sum()) for found in each("tall_masks", params={"strictness": s}))
        for s in (0.0, 0.2, 0.6, 1.0, 2.0)
    ]
    assert counts == sorted(counts, reverse=True) and counts[0] == 17


@pytest.mark.parametrize(("strictness", "kept"), [(0.4, True), (0.6, False)])
def test_equal_experts_mask_each_other_out_beyond_one_over_the_others(strictness, kept):
    tau = [TAU[1]] * 3
    for found in each("tall_masks", tau, params={"strictness": strictness}):
        check(found, (3 * torch.tensor(TAU[1]) * kept).tolist())


def test_one_expert_comes_back_and_two_cannot_agree_on_it():
    check(each("tall_masks", TAU[:1])[0], TAU[0])
    check(merged("consensus", 1, params={"k": 1, "scale": 1.0}), TAU[0])
    assert not merged("consensus", 1, params={"k": 2}).any()


def test_experts_may_be_masked_differently():
    found = each("tall_masks", params={"strictness": (0.0, 100.0, 0.4)})
    assert int((found[0] != 0).sum()) == 5 and not found[1].any()


# The entry whose votes cancel is moved a little, so that it has a sign in every precision.
CLEAR = ([[1, -2, 3], [0.5001, 0, -1.2]], *TAU[1:])


def test_emr_elects_masks_and_rescales():
    unified = torch.tensor([[-3.2, 1.3, 3], [0.5001, 4, -1.2]])
    masks = [[0, 0, 1], [1, 0, 1]], [[0, 1, 0], [0, 1, 1]], [[1, 1, 1], [1, 0, 1]]
    plain = each("emr", CLEAR, params={"rescale": "none"})
    scaled = [each("emr", CLEAR, params={"rescale": word}) for word in ("code", "global")]
    for i, mask in enumerate(masks):
        kept = unified * torch.tensor(mask)
        check(plain[i], kept.tolist())
        ratio = torch.tensor(CLEAR[i]).abs().sum() / kept.abs().sum()
        for found in scaled:
            check(found[i], (ratio * kept).tolist())
    assert (scaled[0][0][0, 2] / 3).item() == pytest.approx(1.638298, abs=2e-5)
    assert (scaled[0][1][1, 1] / 4).item() == pytest.approx(1.476923, abs=2e-5)
    assert (scaled[0][2][0, 0] / -3.2).item() == pytest.approx(0.782609, abs=2e-5)


def test_emr_weighs_tensors_alike_as_the_code_or_by_size_as_the_paper():
    base = {"big": torch.zeros(100), "small": torch.zeros(2)}
    experts = [
        {"big": torch.full((100,), 1.0), "small": torch.full((2,), 6.0)},
        {"big": torch.full((100,), 3.0), "small": torch.full((2,), -2.0)},
    ]
    code = merge_tensors("emr", experts, base)["expert_1"]
    # Means: own 1 + 6, masked 3 + 6. Sums: own 112, masked 312.
    torch.testing.assert_close(code["big"], torch.full((100,), 3.0 * 7 / 9))
    whole = merge_tensors("emr", experts, base, {"rescale": "global"})["expert_1"]
    torch.testing.assert_close(whole["big"], torch.full((100,), 3.0 * 112 / 312))
    # In the global form the sum of magnitudes comes back.
    assert sum(v.abs().sum().item() for v in whole.values()) == pytest.approx(112, rel=1e-5)


def test_emr_gives_an_unchanged_expert_back():
    tau = (TAU[0], [[0.0] * 3] * 2)
    assert not each("emr", tau)[1].any()
    check(each("emr", tau)[0], TAU[0])

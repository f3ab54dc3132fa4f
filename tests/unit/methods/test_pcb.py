"""PCB: who wins, how many win, and what the two published balances do."""

import pytest
import torch

from merger import ranking
from merger.memory import merge_tensors
from tests.unit.methods.test_hand_computed import TAU, check, merged


def models(n: int = 3, size: float = 0.01):
    generator = torch.Generator().manual_seed(0)
    shapes = {"w": (30, 20), "v": (37,)}
    base = {k: torch.zeros(s) for k, s in shapes.items()}
    return base, [
        {k: size * torch.randn(s, generator=generator) for k, s in shapes.items()}
        for _ in range(n)
    ]


def flat(model) -> torch.Tensor:
    return torch.cat([model[k].flatten() for k in sorted(model)])


def test_the_half_with_the_best_scores_is_kept():
    expected = [[-3.2, 0, 3], [0, 4, -0.894509]]
    check(merged("pcb", params={"density": 0.5, "clip": 0.0}), expected)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.5, 0.9])
def test_as_many_win_as_the_share_says_without_the_one_at_the_threshold(density):
    base, experts = models(1)
    found = flat(merge_tensors("pcb", experts, base, {"density": density, "clip": 0.0}))
    wanted = 637 - 1 - min(636, int(637 * (1 - density)))
    assert int((found != 0).sum()) == wanted


def test_equal_experts_give_their_winning_entries_back():
    base, experts = models(1)
    found = flat(merge_tensors("pcb", experts * 3, base, {"clip": 0.0}, names=["a", "b", "c"]))
    kept = found != 0
    torch.testing.assert_close(found[kept], flat(experts[0])[kept])
    assert 0.09 < kept.float().mean() < 0.1


@pytest.mark.parametrize(("balance", "same"), [("pairwise", True), ("total", False)])
def test_only_the_pairwise_balance_does_not_see_the_size_of_task_vectors(balance, same):
    base, experts = models(size=1.0)
    larger = [{k: 8.0 * v for k, v in e.items()} for e in experts]
    params = {"balance": balance}
    found, scaled = (flat(merge_tensors("pcb", e, base, params)) for e in (experts, larger))
    assert torch.allclose(8.0 * found, scaled, rtol=1e-4) == same


def test_coefficients_scale_an_expert_after_the_competition():
    params = {"density": 0.5, "clip": 0.0}
    half = merged("pcb", params=params, weights=(0.5, 0.5, 0.5))
    torch.testing.assert_close(half, merged("pcb", params=params) / 2)
    # Only the third expert keeps the first entry, and only the second the one of 4.
    turned = merged("pcb", params=params, weights=(1.0, 2.0, -1.0))
    assert turned[0, 0].item() == pytest.approx(3.2) and turned[1, 1].item() == pytest.approx(8)


def test_experts_that_contradict_each_other_everywhere_cancel():
    tau = torch.tensor(TAU[0])
    base = {"w": torch.zeros(2, 3)}
    found = merge_tensors("pcb", [{"w": tau}, {"w": -tau}], base, {"clip": 0.0})["w"]
    assert not found.any()


def test_streamed_order_gives_the_same_winners(monkeypatch):
    base, experts = models()
    whole = flat(merge_tensors("pcb", experts, base))
    monkeypatch.setattr(ranking, "IN_MEMORY", 0)
    assert torch.equal(flat(merge_tensors("pcb", experts, base)), whole)

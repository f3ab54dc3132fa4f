"""DARE: what is dropped, what makes up for it, and that chance is fair."""

import pytest
import torch

from merger.algebra import drop
from merger.memory import merge_tensors

P = 20_000


def models(n: int = 2) -> tuple[dict, list[dict]]:
    generator = torch.Generator().manual_seed(0)
    base = {"w": torch.zeros(P), "v": torch.zeros(40)}
    return base, [
        {k: torch.randn(t.shape, generator=generator) for k, t in base.items()} for _ in range(n)
    ]


def dare(experts, base, **params) -> torch.Tensor:
    return merge_tensors("dare_linear", experts, base, {"scale": 1.0, **params})["w"]


def test_everything_kept_is_task_arithmetic_and_ties():
    base, experts = models()
    plain = merge_tensors("task_arithmetic", experts, base, {"scale": 1.0})["w"]
    assert torch.equal(dare(experts, base, density=1.0), plain)
    ties = merge_tensors("ties", experts, base)["w"]
    assert torch.equal(merge_tensors("dare_ties", experts, base, {"density": 1.0})["w"], ties)


@pytest.mark.parametrize("density", [0.05, 0.5, 0.9])
def test_the_share_kept_is_the_density(density):
    base, experts = models(1)
    kept = (dare(experts, base, density=density) != 0).float().mean().item()
    # Six standard deviations of a binomial share.
    assert abs(kept - density) < 6 * (density * (1 - density) / P) ** 0.5


def test_what_is_kept_is_divided_by_the_density():
    base, experts = models(1)
    found = dare(experts, base, density=0.25)
    kept = found != 0
    torch.testing.assert_close(found[kept], experts[0]["w"][kept] * 4)
    assert torch.equal(
        dare(experts, base, density=0.25, rescale="none")[kept], experts[0]["w"][kept]
    )


def test_the_mean_over_many_seeds_is_the_task_vector():
    tau, density, seeds = torch.tensor([1.0, -2.0, 0.5, 4.0]), 0.3, 600
    base = {"w": torch.zeros(4)}
    found = torch.stack(
        [
            merge_tensors(
                "dare_linear", [{"w": tau}], base, {"scale": 1.0, "density": density}, seed=seed
            )["w"]
            for seed in range(seeds)
        ]
    )
    spread = tau.abs() * ((1 - density) / density / seeds) ** 0.5
    assert ((found.double().mean(dim=0) - tau).abs() < 6 * spread).all()


def test_mergekits_rescaling_keeps_each_tensors_sum_of_magnitudes():
    base, experts = models(1)
    found = merge_tensors("dare_linear", experts, base, {"dialect": "mergekit", "density": 0.1})
    for key in base:
        assert found[key].abs().sum().item() == pytest.approx(
            experts[0][key].abs().sum().item(), rel=1e-5
        )


def test_experts_draw_by_name_not_by_place():
    base, experts = models()
    both = merge_tensors("dare_linear", experts, base, names=["a", "b"])
    turned = merge_tensors("dare_linear", experts[::-1], base, names=["b", "a"])
    renamed = merge_tensors("dare_linear", experts, base, names=["a", "c"])
    torch.testing.assert_close(both["w"], turned["w"])
    assert not torch.equal(both["w"], renamed["w"])


def test_the_draws_do_not_depend_on_the_weights():
    base, experts = models(1)
    first = dare(experts, base) != 0
    assert torch.equal(dare([{k: 3 * v for k, v in experts[0].items()}], base) != 0, first)


def test_experts_may_keep_different_shares():
    base, experts = models()
    found = dare(experts, base, density=[1.0, 0.0])
    assert torch.equal(found, experts[0]["w"])


def test_dare_ties_of_the_paper_trims_what_is_left():
    base, experts = models(1)
    found = merge_tensors("dare_ties", experts, base, {"density": 0.5})
    assert sum(int((v != 0).sum()) for v in found.values()) == int(0.2 * (P + 40))
    dropped = merge_tensors("dare_linear", experts, base, {"scale": 1.0, "density": 0.5})["w"]
    kept = found["w"] != 0
    assert torch.equal(found["w"][kept], dropped[kept])
    assert dropped[~kept].abs().max() <= dropped[kept].abs().min()


def test_dare_ties_of_mergekit_does_not_trim_and_adds_up():
    base, experts = models()
    found = merge_tensors("dare_ties", experts, base, {"dialect": "mergekit"})["w"]
    same = merge_tensors(
        "dare_ties", experts, base,
        {"rescale": "l1", "keep_share": 1.0, "trim": "tensor", "tie": "plus", "combine": "sum"},
    )["w"]  # fmt: skip
    assert torch.equal(found, same)
    assert (found != 0).float().mean() > 0.7


def test_dropping_does_not_write_into_what_it_reads():
    tau = torch.ones(2, 3)
    drop(tau, torch.zeros(2, 3), 0.5, "inverse")
    assert torch.equal(tau, torch.ones(2, 3))

"""DELLA: who is kept how often, what makes up for the rest, and what it refuses."""

import pytest
import torch

from merger.errors import RecipeError
from merger.masks import keep_chances
from merger.memory import merge_tensors
from merger.order import ranks_of


def chances(tau, density, epsilon=0.2) -> torch.Tensor:
    stack = torch.tensor(tau).unsqueeze(0)
    ranks = ranks_of(stack.reshape(1, -1), stack.shape[-1]).reshape(stack.shape)
    (found,) = keep_chances(ranks, density, epsilon, stack)
    return found


def test_the_chance_grows_with_the_rank_within_the_row():
    found = chances([[1.0, -4.0, 3.0], [9.0, 0.5, 7.0]], 0.5)
    torch.testing.assert_close(found, torch.tensor([[0.3, 0.7, 0.5], [0.7, 0.3, 0.5]]))


def test_a_row_of_one_entry_is_kept_with_the_density():
    assert chances([[1.0], [2.0]], 0.6).tolist() == [[pytest.approx(0.6)]] * 2


def test_everything_and_nothing_need_no_window():
    assert chances([[1.0, 2.0]], 1.0).tolist() == [[1, 1]]
    assert chances([[1.0, 2.0]], 0.0).tolist() == [[0, 0]]


@pytest.mark.parametrize("density", [0.07, 0.05, 0.95, 0.93])
def test_a_density_too_near_the_ends_is_refused(density):
    expert = {"w": torch.ones(3, 4)}
    with pytest.raises(RecipeError, match="density must lie further than epsilon"):
        merge_tensors("della_linear", [expert], {"w": torch.zeros(3, 4)}, {"density": density})


@pytest.mark.parametrize(("name", "like"), [("della_linear", "dare_linear")])
@pytest.mark.parametrize("rescale", ["inverse", "l1", "none"])
def test_without_a_window_it_is_dare(name, like, rescale):
    generator = torch.Generator().manual_seed(0)
    experts = [{"w": torch.randn(20, 30, generator=generator)} for _ in range(2)]
    base = {"w": torch.zeros(20, 30)}
    params = {"density": (0.4, 0.7), "scale": 1.0, "rescale": rescale}
    found = merge_tensors(name, experts, base, {**params, "epsilon": 0.0})["w"]
    assert torch.equal(found, merge_tensors(like, experts, base, params)["w"])


def test_each_entry_is_right_on_average():
    tau = torch.tensor([[1.0, -2.0, 0.5, 4.0]])
    base, seeds = {"w": torch.zeros(1, 4)}, 300
    params = {"density": 0.6, "epsilon": 0.3}
    found = torch.stack(
        [merge_tensors("della", [{"w": tau}], base, params, seed=s)["w"] for s in range(seeds)]
    )
    chance = torch.tensor([[0.5, 0.7, 0.3, 0.9]])
    kept = torch.mean((found != 0).float(), 0)
    assert (kept - chance).abs().max() < 6 * (0.25 / seeds) ** 0.5
    error = (found.mean(0) - tau).abs()
    assert (error < 6 * tau.abs() * ((1 - chance) / chance / seeds) ** 0.5).all()


def test_what_agrees_is_divided_by_its_coefficients():
    tau = [[2.0, -1.0]], [[4.0, 3.0]]
    experts = [{"w": torch.tensor(t)} for t in tau]
    base = {"w": torch.zeros(1, 2)}
    found = merge_tensors("della", experts, base, {"density": 1.0}, weights=(1.0, 0.5))["w"]
    # 2 and 2 agree: 4 / 1.5. Then -1 against 1.5: the second wins alone, 1.5 / 0.5.
    torch.testing.assert_close(found, torch.tensor([[4 / 1.5, 3.0]]))


def test_kernels_rank_within_an_output_channel():
    tau = torch.arange(1.0, 37.0).reshape(2, 2, 3, 3)
    params = {"density": 0.5, "epsilon": 0.49, "rescale": "none"}
    rows = merge_tensors("della_linear", [{"w": tau}], {"w": torch.zeros_like(tau)}, params)["w"]
    flat = tau.reshape(2, 18)
    same = merge_tensors("della_linear", [{"w": flat}], {"w": torch.zeros_like(flat)}, params)
    assert torch.equal(rows.reshape(2, 18), same["w"])

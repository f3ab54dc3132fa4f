"""DOGE: equal lengths, the shift, the mask."""

import pytest
import torch

from merger.memory import merge_tensors
from merger.methods.doge import _shared, _shift

KEY = "layers.0.w"


def matrix(seed: int, rows: int = 12, columns: int = 9) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def merged(taus, key: str = KEY, weights=None, **params) -> torch.Tensor:
    base = {key: torch.zeros_like(taus[0]).float()}
    experts = [{key: tau.float()} for tau in taus]
    return merge_tensors("doge", experts, base, params, weights)[key].double()


def check(found: torch.Tensor, expected: torch.Tensor, atol: float = 1e-6) -> None:
    torch.testing.assert_close(found, expected.to(found), atol=atol, rtol=0)


def test_without_steps_and_mask_experts_of_equal_length_are_added_up():
    taus = [matrix(1), 3 * matrix(2)]
    lengths = [tau.norm() for tau in taus]
    whole = merged(taus, steps=0, density=1.0, units="absolute", eta=0.07)
    check(whole, 0.07 * (taus[0] / lengths[0] + taus[1] / lengths[1]))
    mean = sum(lengths) / 2
    relative = merged(taus, weights=(1, -0.5), steps=0, density=1.0, eta=0.3)
    check(relative, 0.3 * mean * (taus[0] / lengths[0] - 0.5 * taus[1] / lengths[1]))


def test_length_0_is_the_base():
    assert not merged([matrix(1), matrix(2)], eta=0.0).any()


def test_what_is_no_matrix_of_a_linear_layer_stays_at_the_base():
    assert not merged([matrix(1), matrix(2)], "model.embed_tokens.weight").any()
    assert not merged([matrix(1, 12, 1)[:, 0]] * 2, "layers.0.bias").any()


def test_an_unchanged_expert_moves_nothing():
    alone = merged([matrix(1), torch.zeros(12, 9)], steps=0, density=1.0)
    check(alone, 0.15 * matrix(1))


def test_the_mask_keeps_a_share_of_the_changes_of_matrices_over_the_model():
    base = {KEY: torch.zeros(4, 5), "layers.1.w": torch.zeros(4, 5), "bias": torch.zeros(50)}
    tau = {
        KEY: 10 + matrix(1, 4, 5),
        "layers.1.w": matrix(2, 4, 5),
        "bias": torch.full((50,), 99.0),
    }
    expert = {key: value.float() for key, value in tau.items()}
    found = merge_tensors("doge", [expert], base, {"density": 0.25, "steps": 0})
    assert int((found[KEY] != 0).sum()) == 10
    assert not found["layers.1.w"].any() and not found["bias"].any()


def loss(shift: torch.Tensor, taus, shares) -> torch.Tensor:
    merged = sum(share * (tau + shift) for share, tau in zip(shares, taus, strict=True))
    return sum(((tau * (tau - merged)).sum(1) ** 2).sum() for tau in taus)


@pytest.mark.parametrize("project", [True, False])
def test_the_shift_is_where_adam_goes_outside_the_shared_directions(project):
    taus, shares, rate = [matrix(i, 14, 13) for i in range(2)], [0.2, 0.3], 1e-3
    shared = _shared(taus, 6)
    shift = torch.zeros(14, 13, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([shift], lr=rate, eps=1e-30)
    for _ in range(20):
        adam.zero_grad()
        loss(shift, taus, shares).backward()
        assert shift.grad is not None
        shift.grad -= shared @ (shared.T @ shift.grad)
        adam.step()
        if project:
            with torch.no_grad():
                shift -= shared @ (shared.T @ shift)
    found = _shift(taus, shares, 20, rate, 6, project)
    check(found, shift.detach(), 1e-9)
    assert (float((shared.T @ found).norm()) < 1e-12) == project
    assert loss(found, taus, shares) < loss(torch.zeros(14, 13), taus, shares)


def test_a_shift_that_does_not_help_is_not_made():
    taus = [matrix(1), matrix(2)]
    assert not _shift(taus, [0.2, 0.3], 1, 1e6, 6, True).any()


def test_shared_directions_are_those_of_all_experts_strongest_ones():
    taus = [matrix(i, 14, 13) for i in range(2)]
    parts = torch.cat([torch.linalg.svd(tau)[0][:, :6] for tau in taus], 1)
    wanted = torch.linalg.svd(parts)[0][:, :2]
    found = _shared(taus, 6)
    check(found @ found.T, wanted @ wanted.T, 1e-9)
    assert _shared([matrix(1, 3, 2)] * 3, 6).shape[1] == 0

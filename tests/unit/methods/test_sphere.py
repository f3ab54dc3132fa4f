"""NLERP, the Karcher mean and NuSLERP: directions and lengths."""

import math

import pytest
import torch

from merger.errors import FeedError, RecipeError
from merger.memory import merge_tensors
from tests.unit.methods.vectors import TAU, ZERO, check, merged

SPHERE = ("multislerp", "karcher", "nuslerp")
TASKS = {"space": "task_vectors"}


def weights_of(name: str, vectors, **options) -> torch.Tensor:
    experts = [{"w": torch.tensor(v)} for v in vectors]
    return merge_tensors(name, experts, None, **options)["w"]


def test_nlerp_of_three():
    check(merged("multislerp"), [[-0.571529, 0.20026, 2.902589], [0.125244, 1.449891, -2.730232]])


def test_karcher_of_three():
    found = merged("karcher", params={"max_iter": 50, "tol": 1e-7})
    check(found, [[-1.004373, 0.645137, 2.662231], [0.057698, 1.440119, -2.788207]])
    # Ten steps are the default, and are nearly there.
    assert 5e-5 < (merged("karcher") - found).abs().max() < 2e-4


def test_karcher_of_parallel_vectors_is_their_mean():
    assert weights_of("karcher", [[1.0, 0.0], [2.0, 0.0]]).tolist() == [1.5, 0.0]


@pytest.mark.parametrize("t", [0.1, 0.5, 0.7])
def test_on_unit_vectors_karcher_with_coefficients_is_slerp(t):
    a, b = [0.6, 0.8, 0.0], [0.0, -0.28, 0.96]
    params = {"max_iter": 100, "tol": 1e-9}
    mean = weights_of("karcher", [a, b], weights=(1 - t, t), params=params)
    torch.testing.assert_close(mean, weights_of("slerp", [a, b], params={"t": t}))
    nlerp = weights_of("multislerp", [a, b], weights=(1 - t, t))
    assert abs(nlerp.norm().item() - 1) < 1e-6
    assert (t == 0.5) == torch.allclose(nlerp, mean, atol=1e-4)


def test_nuslerp_walks_the_arc_by_coefficients():
    expected = [[1.774156, -1.462677, 2.500726], [0.232761, 1.635793, -1.55646]]
    check(merged("nuslerp", TAU[:2], weights=(3, 1)), expected)
    check(merged("nuslerp", TAU[:2], weights=(0.75, 0.25), params=TASKS), expected)


def test_nuslerp_meets_half_way_where_coefficients_cancel():
    half = merged("nuslerp", TAU[:2])
    assert torch.equal(half, merged("nuslerp", TAU[:2], weights=(1, -1)))


def test_nuslerp_by_rows():
    one = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    two = [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]
    found = weights_of("nuslerp", [one, two], weights=(0.75, 0.25), params={"axis": "rows"})
    eighth = math.pi / 8
    check(found, [[1, 0], [1.25, 0], [0.5, 0], [2 * math.cos(eighth), 2 * math.sin(eighth)]])


def test_nuslerp_by_columns_is_by_rows_of_the_transposed():
    one, two = (torch.tensor(tau) for tau in TAU[:2])
    columns = merged("nuslerp", [one, two], params={"axis": "columns"})
    rows = merged("nuslerp", [one.T, two.T], params={"axis": "rows"})
    torch.testing.assert_close(columns, rows.T, atol=0, rtol=0)
    for vector in (one[0], one[0, 0]):
        found = [merged("nuslerp", [vector, vector * 3], params={"axis": a}) for a in
                 ("tensor", "rows", "columns")]  # fmt: skip
        assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_nuslerp_takes_the_last_axis_of_a_kernel():
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    found = merged("nuslerp", [one, two], params={"axis": "rows"})
    flat = merged("nuslerp", [one.reshape(6, 4), two.reshape(6, 4)], params={"axis": "rows"})
    assert torch.equal(found.reshape(6, 4), flat)
    found = merged("nuslerp", [one, two], params={"axis": "columns"})
    flat = merged("nuslerp", [one.reshape(2, 12), two.reshape(2, 12)], params={"axis": "columns"})
    assert torch.equal(found.reshape(2, 12), flat)


@pytest.mark.parametrize("axis", ["tensor", "rows", "columns"])
def test_nuslerp_of_opposite_or_unchanged_vectors_is_the_straight_line(axis):
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(4, 4, generator=generator)
    for two in (-one, -3 * one, 0 * one, one * 2):
        found = merged("nuslerp", [one, two], weights=(0.75, 0.25), params={"axis": axis})
        torch.testing.assert_close(found, 0.75 * one + 0.25 * two, atol=1e-6, rtol=1e-6)


def test_a_base_moves_the_sphere_to_task_vectors():
    base = {"w": torch.tensor([5.0, -7.0, 3.0])}
    taus = [torch.tensor([1.0, 2.0, 2.0]), torch.tensor([-2.0, 1.0, 0.5])]
    experts = [{"w": base["w"] + tau} for tau in taus]
    for name in SPHERE:
        moved = merge_tensors(name, experts, base, TASKS)["w"]
        alone = weights_of(name, [tau.tolist() for tau in taus])
        torch.testing.assert_close(moved, base["w"] + alone, atol=1e-6, rtol=1e-6)
        assert torch.equal(merge_tensors(name, [base, base], base, TASKS)["w"], base["w"])


@pytest.mark.parametrize("name", SPHERE)
def test_task_vectors_need_a_base_and_weights_do_not(name):
    experts = [{"w": torch.ones(2)}, {"w": torch.zeros(2)}]
    assert merge_tensors(name, experts, None)["w"].isfinite().all()
    with pytest.raises(FeedError, match="needs a base model, and none is chosen"):
        merge_tensors(name, experts, None, TASKS)


@pytest.mark.parametrize("name", ["multislerp", "karcher"])
def test_vectors_of_no_length_have_no_direction(name):
    tau = torch.tensor([3.0, 4.0])
    assert merged(name, [tau * 0, tau * 0]).tolist() == [0, 0]
    # Half the mean length, in the direction of the only one that has any.
    torch.testing.assert_close(merged(name, [tau, tau * 0]), tau / 2)
    tiny = merged(name, [tau * 1e-12, tau * 1e-12])
    torch.testing.assert_close(tiny, tau * 1e-12)


def test_directions_that_cancel_are_averaged():
    tau = torch.tensor([3.0, 4.0])
    assert merged("multislerp", [tau, -tau]).tolist() == [0, 0]
    found = merged("multislerp", [tau, -tau, 0 * tau], weights=(1, 1, 1))
    assert found.tolist() == [0, 0]
    third = [[1.0, 0.0], [-0.5, math.sqrt(0.75)], [-0.5, -math.sqrt(0.75)]]
    check(merged("multislerp", third), [0, 0], 1e-6)
    # Opposite points have no mean on the sphere: the first one's direction stands.
    assert merged("karcher", [tau, -tau]).tolist() == tau.tolist()


def test_one_expert_comes_back_whatever_its_coefficient():
    tau = torch.tensor([3.0, 4.0])
    assert merged("multislerp", [tau], weights=(7.0,)).tolist() == [3, 4]
    assert merged("karcher", [tau], weights=(7.0,)).tolist() == [3, 4]


def test_nlerp_without_normalising_keeps_the_size_of_the_coefficients():
    params = {"normalize": False}
    twice = merged("multislerp", weights=(2, 2, 2), params=params)
    torch.testing.assert_close(twice, 6 * merged("multislerp"), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["multislerp", "karcher"])
def test_coefficients_that_cancel_are_refused(name):
    with pytest.raises(RecipeError, match="must not add up to 0"):
        merged(name, TAU[:2], weights=(1, -1))


def test_a_base_of_zeros_makes_both_spaces_one():
    for name in SPHERE:
        experts = [{"w": torch.tensor(tau)} for tau in TAU[:2]]
        found = merge_tensors(name, experts, ZERO, TASKS)["w"]
        assert torch.equal(found, merge_tensors(name, experts, ZERO)["w"])


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_many_vectors_give_the_same_bytes_on_any_number_of_threads(axis):
    generator = torch.Generator().manual_seed(0)
    shape = (40_001, 3) if axis == "rows" else (3, 40_001)
    one, two = (torch.randn(shape, generator=generator) for _ in range(2))
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(merged("nuslerp", [one, two], params={"axis": axis}))
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])

"""MagMax and its random companion: every entry comes from one expert."""

import torch

from tests.unit.methods.vectors import TAU, check, merged


def test_every_entry_is_the_largest_change():
    check(merged("magmax", params={"scale": 1.0}), [[-3.2, -2, 3], [-0.6, 4, -1.2]])
    check(merged("magmax"), [[-1.6, -1, 1.5], [-0.3, 2, -0.6]])


def test_no_expert_changed_an_entry_more():
    found = merged("magmax", params={"scale": 1.0}).abs()
    assert all((found >= torch.tensor(tau).abs()).all() for tau in TAU)


def test_of_equal_changes_the_later_one_counts():
    one, other = [[1.0, -2.0]], [[-1.0, 2.0]]
    assert merged("magmax", [one, other], params={"scale": 1.0}).tolist() == other
    assert merged("magmax", [other, one], params={"scale": 1.0}).tolist() == one


def test_a_random_mix_takes_every_entry_from_one_expert_evenly():
    taus = [torch.full((9000,), float(i)) for i in range(3)]
    found = merged("random_mix", taus)
    counts = [int((found == i).sum()) for i in range(3)]
    assert sum(counts) == 9000
    # Six standard deviations around a third.
    assert all(abs(count - 3000) < 6 * (9000 * 2 / 9) ** 0.5 for count in counts)


def test_a_random_mix_follows_the_seed_and_the_names():
    taus = [torch.full((50,), float(i)) for i in range(3)]
    found = merged("random_mix", taus, seed=1)
    assert torch.equal(found, merged("random_mix", taus, seed=1))
    assert not torch.equal(found, merged("random_mix", taus, seed=2))
    turned = merged("random_mix", taus[::-1], seed=1, names=["expert_3", "expert_2", "expert_1"])
    assert torch.equal(found, turned)

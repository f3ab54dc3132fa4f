"""RAM and RAM+: what one expert alone changed is added, what several changed is averaged."""

import pytest

from tests.unit.methods.vectors import check, merged

ONE = [[1.0, 0.0, 3.0, 1e-6]]
TWO = [[0.0, 2.0, -1.0, 4.0]]


@pytest.mark.parametrize("name", ["ram", "ramplus_tl"])
def test_experts_that_share_nothing_are_added_up(name):
    taus = [[1.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]], [[0.0, 0.0, -3.0]]
    check(merged(name, taus), merged("task_arithmetic", taus, params={"scale": 1.0}))


@pytest.mark.parametrize("name", ["ram", "ramplus_tl"])
def test_nothing_above_the_bound_is_no_change(name):
    assert merged(name, [ONE, TWO], params={"epsilon": 9.0}).tolist() == [[0.0] * 4]


def test_own_changes_are_added_and_shared_ones_averaged():
    assert merged("ram", [ONE, TWO]).tolist() == [[1, 2, 1, 4]]
    assert merged("ram", [ONE, TWO], params={"epsilon": 1.5}).tolist() == [[0, 2, 3, 4]]


def test_own_changes_grow_with_what_is_shared():
    # One entry shared; the first has one of its own, the second two.
    found = merged("ramplus_tl", [ONE, TWO], params={"r": 0.5, "alpha": 9.0})
    check(found, [[1.5, 2 * 1.25, 1, 4 * 1.25]])


def test_they_grow_by_a_bounded_ratio():
    check(merged("ramplus_tl", [ONE, TWO]), [[1.02, 2.04, 1, 4.08]])
    check(merged("ramplus_tl", [ONE, TWO], params={"r": 0.0}), merged("ram", [ONE, TWO]))


def test_an_expert_that_shares_everything_is_averaged():
    check(merged("ramplus_tl", [ONE, ONE, ONE]), [[1, 0, 3, 0]])

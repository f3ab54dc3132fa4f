"""RAM: what one expert alone changed is added, what several changed is averaged."""

from tests.unit.methods.vectors import check, merged

ONE = [[1.0, 0.0, 3.0, 1e-6]]
TWO = [[0.0, 2.0, -1.0, 4.0]]


def test_own_changes_are_added_and_shared_ones_averaged():
    assert merged("ram", [ONE, TWO]).tolist() == [[1, 2, 1, 4]]
    assert merged("ram", [ONE, TWO], params={"epsilon": 1.5}).tolist() == [[0, 2, 3, 4]]


def test_experts_that_share_nothing_are_added_up():
    taus = [[1.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]], [[0.0, 0.0, -3.0]]
    check(merged("ram", taus), merged("task_arithmetic", taus, params={"scale": 1.0}))


def test_nothing_above_the_bound_is_no_change():
    assert merged("ram", [ONE, TWO], params={"epsilon": 9.0}).tolist() == [[0.0] * 4]

"""Whose job is next, by hand and for any line."""

from hypothesis import given
from hypothesis import strategies as st

from merger.jobs.turns import turns


def test_who_was_served_longest_ago_comes_first_and_then_everybody_in_turn():
    waiting = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("c1", "c"), ("b2", "b")]
    assert turns(waiting, {"a": 2.0, "b": 9.0}) == ["c1", "a1", "b1", "a2", "b2", "a3"]


def test_those_never_served_go_in_the_order_they_came():
    assert turns([("z", "late"), ("y", "early")], {}) == ["z", "y"]


def test_nobody_waiting_is_an_empty_line():
    assert turns([], {"a": 1.0}) == []


@given(
    st.lists(st.sampled_from("abcd"), max_size=20),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 9)),
)
def test_every_job_has_one_turn_and_no_owner_is_two_ahead_of_another_that_waits(owners, served):
    waiting = [(str(i), owner) for i, owner in enumerate(owners)]
    order = turns(waiting, served)
    assert sorted(order) == sorted(id for id, _ in waiting)
    whose = dict(waiting)
    left = {owner: owners.count(owner) for owner in owners}
    ran = dict.fromkeys(left, 0)
    for id in order:
        owner = whose[id]
        others = [ran[o] for o in left if left[o] and o != owner]
        assert not others or ran[owner] <= min(others)
        ran[owner] += 1
        left[owner] -= 1

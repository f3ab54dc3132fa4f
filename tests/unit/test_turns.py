"""Each worker has a tensor of its own, the longest first, and at the end all help."""

from collections.abc import Mapping

import pytest

from merger.compute import Block
from merger.turns import Turns

Sizes = Mapping[str, int]
SIZES = {"a": 2, "b": 5, "c": 3}


def turns(sizes: Sizes, workers: int, *, by_tensor: bool = True) -> Turns:
    blocks = [Block(key, at, at + 1) for key, size in sizes.items() for at in range(size)]
    return Turns(list(enumerate(blocks)), workers, by_tensor=by_tensor)


def taken(handed: Turns, worker: int) -> str | None:
    task = handed.take(worker)
    return None if task is None else f"{task[1].key}{task[1].start}"


def test_a_single_worker_goes_through_the_tensors_in_their_order() -> None:
    handed = turns(SIZES, 1)
    names = [taken(handed, 0) for _ in range(10)]
    assert names == ["a0", "a1", "b0", "b1", "b2", "b3", "b4", "c0", "c1", "c2"]
    assert taken(handed, 0) is None


def test_two_workers_begin_with_the_longest_tensors_and_share_the_last() -> None:
    handed = turns(SIZES, 2)
    assert handed.keys == ["b", "c", "a"]
    assert [taken(handed, worker) for worker in (0, 1, 0, 1, 1)] == ["b0", "c0", "b1", "c1", "c2"]
    # The second one has done its own: it takes the next tensor, then helps the first.
    assert [taken(handed, 1) for _ in range(3)] == ["a0", "a1", "b2"]
    assert [taken(handed, worker) for worker in (0, 1)] == ["b3", "b4"]
    assert [taken(handed, worker) for worker in (0, 1, 0)] == [None] * 3


def test_where_nothing_is_measured_before_all_go_through_the_tensors_in_their_order() -> None:
    handed = turns(SIZES, 2, by_tensor=False)
    assert handed.keys == ["a", "b", "c"]
    names = [taken(handed, worker) for worker in (0, 1, 1, 0, 1, 0, 0, 0, 1, 1)]
    assert names == ["a0", "a1", "b0", "b1", "b2", "b3", "b4", "c0", "c1", "c2"]
    assert taken(handed, 0) is None and taken(handed, 1) is None


@pytest.mark.parametrize("by_tensor", [True, False])
def test_there_may_be_nothing_left_to_do(by_tensor: bool) -> None:
    assert turns({}, 2, by_tensor=by_tensor).take(1) is None


def test_every_block_is_handed_out_once_whoever_asks() -> None:
    handed = turns({"a": 7, "b": 1, "c": 4, "d": 9}, 3)
    found = []
    while (task := handed.take(len(found) * 7 % 3)) is not None:
        found.append(task[0])
    assert sorted(found) == list(range(21))


def test_nothing_is_handed_out_after_a_stop() -> None:
    handed = turns(SIZES, 2)
    assert handed.take(0) is not None
    handed.stop()
    assert handed.take(0) is None and handed.take(1) is None

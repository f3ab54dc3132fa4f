"""What is kept in memory: newest first, made once, also from many threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from merger.lru import Lru


def test_the_least_recently_used_goes_first() -> None:
    kept: Lru[str] = Lru(10, len)
    kept.put("a", "xxxx")
    kept.put("b", "xxxx")
    assert kept.get("a") == "xxxx"
    kept.put("c", "xxxx")
    assert kept.get("b") is None
    assert kept.get("a") == kept.get("c") == "xxxx"
    assert kept.used == 8


def test_one_value_beyond_the_budget_stays() -> None:
    kept: Lru[str] = Lru(10, len)
    kept.put("a", "x" * 20)
    assert kept.get("a") is not None
    kept.put("b", "x")
    assert kept.get("a") is None


def test_a_value_is_made_once_however_many_ask() -> None:
    kept: Lru[object] = Lru(100)
    made: list[int] = []
    start = Barrier(8)

    def ask(i: int) -> object:
        start.wait()
        return kept.get_or_make("key", lambda: made.append(i) or object())

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert len({id(value) for value in values}) == 1


def test_what_fails_is_tried_again() -> None:
    kept: Lru[str] = Lru(10)

    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get_or_make("key", fail)
    assert kept.get_or_make("key", lambda: "yes") == "yes"


def test_many_threads_never_exceed_the_budget() -> None:
    kept: Lru[int] = Lru(50, lambda _: 5)

    def use(i: int) -> None:
        for j in range(200):
            assert kept.get_or_make((i * 7 + j) % 23, lambda: 1) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert kept.used <= 50


def test_so_many_of_the_newest_stay_whatever_they_take() -> None:
    kept: Lru[int] = Lru(10, lambda value: value, least=3)
    for name, value in zip("abcde", (4, 5, 6, 7, 8), strict=True):
        kept.put(name, value)
    assert kept.values() == [8, 7, 6]
    kept.put("f", 1)
    assert kept.values() == [1, 8, 7]

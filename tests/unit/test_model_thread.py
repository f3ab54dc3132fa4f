"""One model at a time: urgent calls first, and in between the chunks of long ones."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread

import pytest

from merger.model_thread import ModelThread


def test_all_calls_run_in_one_thread_and_give_their_value_back() -> None:
    model = ModelThread()
    with ThreadPoolExecutor(4) as pool:
        names = set(pool.map(lambda _: model.run(lambda: current_thread().name), range(20)))
    assert names == {"model"}


def test_an_error_belongs_to_who_asked() -> None:
    model = ModelThread()
    with pytest.raises(ZeroDivisionError):
        model.run(lambda: 1 // 0)
    assert model.run(lambda: 7) == 7


def test_an_urgent_call_runs_between_the_chunks_of_a_long_one() -> None:
    model, order = ModelThread(), []
    started, asked = Event(), Event()

    def long_pass() -> str:
        order.append("chunk 1")
        started.set()
        asked.wait(5)
        while not model.let_urgent_in():
            pass
        order.append("chunk 2")
        return "long"

    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(model.run, long_pass)
        started.wait(5)
        short = pool.submit(model.run, lambda: order.append("urgent"), urgent=True)
        asked.set()
        short.result(5)
        assert long.result(5) == "long"
    assert order == ["chunk 1", "urgent", "chunk 2"]


def test_a_call_from_within_runs_at_once() -> None:
    model = ModelThread()
    assert model.run(lambda: model.run(lambda: 3) + 1) == 4

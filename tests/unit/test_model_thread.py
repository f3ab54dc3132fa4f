"""One model at a time: urgent calls first, and in between the chunks of long ones."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, current_thread

import pytest

from merger.model_thread import IN_A_ROW, ModelThread


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


def test_a_long_call_gets_its_turn_however_many_urgent_ones_come() -> None:
    model, order, go, asked = ModelThread(), [], Event(), Event()

    def hold() -> None:
        asked.set()
        go.wait(5)

    with ThreadPoolExecutor(3 * IN_A_ROW) as pool:
        pool.submit(model.run, hold)
        asked.wait(5)
        waiting = [
            pool.submit(model.run, lambda: order.append("urgent"), urgent=True)
            for _ in range(2 * IN_A_ROW)
        ]
        waiting.append(pool.submit(model.run, lambda: order.append("long")))
        while len(model._waiting[True]) < 2 * IN_A_ROW or not model._waiting[False]:
            pass
        go.set()
        for call in waiting:
            call.result(5)
    assert order.index("long") == IN_A_ROW and len(order) == 2 * IN_A_ROW + 1


def test_urgent_calls_that_come_meanwhile_wait_for_the_next_chunk() -> None:
    model, order, started = ModelThread(), [], Event()

    def again() -> None:
        order.append("urgent")
        if len(order) < 3:
            Thread(target=lambda: model.run(again, urgent=True)).start()
            while not model._waiting[True]:
                pass

    def long_pass() -> list[str]:
        started.set()
        for _ in range(2):
            while not model._waiting[True]:
                pass
            model.let_urgent_in()
            order.append("chunk")
        return list(order)

    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(model.run, long_pass)
        started.wait(5)
        pool.submit(model.run, again, urgent=True)
        assert long.result(5) == ["urgent", "chunk", "urgent", "chunk"]

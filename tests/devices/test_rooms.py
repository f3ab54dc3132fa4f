"""The parts that a staged merge is made of: names, buffers, lanes, and shares of memory."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
import torch

from merger.devices.budget import Budget
from merger.devices.double import with_double
from merger.devices.drivers import PlainDriver, open_driver
from merger.devices.lanes import Lane, Ring
from merger.devices.names import is_device_name, pick_device
from merger.errors import MergeError
from tests.devices.far import FarDriver, Rules


def test_names_of_devices_are_told_without_looking_for_them() -> None:
    assert all(map(is_device_name, ("auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12")))
    assert not any(map(is_device_name, ("", "CUDA", "cuda:", "cuda:x", "cuda:1 ", "mps:0", "tpu")))


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cpu:0"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(MergeError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        pick_device(name)


def test_the_processor_is_always_there_and_has_no_driver() -> None:
    assert pick_device("cpu") == "cpu"
    assert open_driver("cpu") == (None, None)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_sent_comes_back_in_float32(dtype, length, is_late, monkeypatch) -> None:
    monkeypatch.setattr(Rules, "is_late", is_late)
    driver = FarDriver()
    lane = Lane(driver, slots=2, size=32)
    values = torch.arange(length).to(dtype)
    with driver.working(lane.queue):
        there = lane.empty(length)
        lane.send(values, there)
        back = lane.fetch(there.reshape(1, length))
    assert back.device.type == "cpu" and back.shape == (1, length)
    assert torch.equal(back[0], values.to(torch.float32))


def test_a_result_is_in_memory_of_its_own() -> None:
    lane = Lane(PlainDriver("cpu"), slots=2, size=32)
    first = lane.fetch(torch.ones(20))
    lane.fetch(torch.zeros(20))
    assert first.tolist() == [1.0] * 20


def test_a_buffer_is_handed_out_again_only_when_its_copy_is_done() -> None:
    class Mark:
        waited = 0

        def synchronize(self) -> None:
            Mark.waited += 1

    ring = Ring(PlainDriver("cpu"), slots=2, size=8)
    first = ring.take()
    first.mark = Mark()
    assert ring.take() is not first and Mark.waited == 0
    assert ring.take() is first and Mark.waited == 1
    ring.take()
    assert ring.take() is first and Mark.waited == 1


def test_a_budget_is_never_exceeded_and_a_large_need_has_its_turn() -> None:
    budget, lock = Budget(10), Lock()
    held, most = 0, 0

    def work(need: int) -> int:
        nonlocal held, most
        with budget.take(need):
            with lock:
                held += need
                most = max(most, held)
            Event().wait(0.001)
            with lock:
                held -= need
        return need

    needs = [3, 4, 10, 1, 7, 10, 2] * 5
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, needs)) == needs
    assert most == 10 and held == 0


def test_double_precision_is_looked_for_where_it_is(monkeypatch) -> None:
    from merger.devices import double

    near = torch.ones(2)
    assert with_double(near) is near
    far = near.to("far")
    assert with_double(far) is far
    monkeypatch.setattr(double, "WITHOUT", frozenset({"far"}))
    assert with_double(far).device.type == "cpu"

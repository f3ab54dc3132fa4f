"""A device that is short of memory: the processor does the rest, and one line says so."""

import pytest
import torch

from merger.devices.device import Staged
from merger.devices.drivers import PlainDriver
from merger.devices.shortage import Shortage, is_shortage
from merger.errors import FeedError
from merger.plan import plan
from merger.spectral import decomposed
from tests.contract.test_same_bytes import checkpoints, recipe
from tests.devices.far import Rules
from tests.devices.merging import PLENTY, merged, plan_of, same_bits, staged

METHODS = ("task_arithmetic", "ties", "dare_ties", "emr", "iso_c", "svc", "sce", "rmm")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("memory", [0, 300, 700])
def test_what_finds_no_memory_all_of_a_sudden_is_merged_by_the_processor(
    name: str, memory: int, monkeypatch
) -> None:
    base, experts = checkpoints(3, mixed=True)
    planned = plan_of(name, base, experts)
    expected = merged(planned, base, experts)
    device = staged("far", lanes=3)
    # The merge was told of plenty, and something else took it.
    monkeypatch.setattr(Rules, "memory", memory)
    assert same_bits(merged(planned, base, experts, device, threads=4), expected)
    said = device.notice() or ""
    assert "far is short of memory" in said or memory
    assert Rules.taken == 0


def test_what_is_known_to_be_too_large_never_goes_to_the_device(monkeypatch) -> None:
    base, experts = checkpoints(3, mixed=True)
    planned = plan_of("iso_c", base, experts)
    monkeypatch.setattr(Rules, "peak", 0)
    device = staged("far", memory=10)
    assert same_bits(merged(planned, base, experts, device), merged(planned, base, experts))
    assert Rules.peak == 0
    assert "10 B could be used" in (device.notice() or "")


def test_large_tensors_go_to_the_processor_and_small_ones_to_the_device(monkeypatch) -> None:
    base, experts = checkpoints(3)
    planned = plan_of("iso_c", base, experts)
    monkeypatch.setattr(Rules, "peak", 0)
    device = staged("far", memory=2500)
    assert same_bits(merged(planned, base, experts, device), merged(planned, base, experts))
    assert Rules.peak > 0
    assert "of 2 tensors were computed on the processor" in (device.notice() or "")


def test_lanes_wait_until_there_is_memory_for_all_of_them(monkeypatch) -> None:
    base, experts = checkpoints(3)
    planned = plan_of("task_arithmetic", base, experts)
    device = staged("far", memory=1300, lanes=4)
    monkeypatch.setattr(Rules, "memory", 1300)
    assert same_bits(
        merged(planned, base, experts, device, threads=8), merged(planned, base, experts)
    )
    assert device.notice() is None


def test_other_errors_on_a_device_are_told_and_not_hidden() -> None:
    base, experts = checkpoints(2)
    device = staged("far")
    with pytest.raises(FeedError, match="needs a base"):
        plan(recipe("ties", 2), None, experts)
    with pytest.raises(RuntimeError, match="^a defect$"):
        device.run(_fail, lambda: 1, "w")
    assert device.notice() is None


def _fail() -> None:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.50 GiB)"), True),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling x"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (MemoryError(), False),
        (FeedError("e1: CUDA out of memory holds NaN"), False),
    ],
)
def test_a_shortage_is_told_from_other_errors(error: Exception, is_one: bool) -> None:
    assert is_shortage(error) == is_one


def test_a_decomposition_without_memory_is_a_shortage_and_no_broken_matrix(monkeypatch) -> None:
    def short(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.linalg, "svd", short)
    with pytest.raises(torch.OutOfMemoryError):
        decomposed(torch.eye(3))


def test_the_notice_says_what_was_short_and_what_to_do() -> None:
    short = Shortage("cuda:0 (Some GPU)", 3 << 30)
    assert short.notice() is None
    short.add("w", 5 << 30)
    assert short.notice() == (
        "cuda:0 (Some GPU) is short of memory: 3.0 GiB could be used, and up to 5.0 GiB were "
        "wanted at once, so 1 block of 1 tensor was computed on the processor instead, which is "
        "slower and may differ in the last bits. Close what else uses the device, or choose the "
        "cpu."
    )
    short.add("w", 1)
    short.add("v", 1)
    assert "so 3 blocks of 2 tensors were computed" in (short.notice() or "")
    short.add("", 6 << 30)
    said = short.notice() or ""
    assert "up to 6.0 GiB" in said
    assert "so the statistics that come first and 3 blocks of 2 tensors were computed" in said


def test_only_so_many_helpers_take_main_memory_at_once() -> None:
    from threading import Barrier, BrokenBarrierError, Thread

    device = Staged(PlainDriver("cpu", PLENTY), 0, 3, helpers=1)
    both = Barrier(2, timeout=0.2)
    met: list[bool] = []

    def work() -> None:
        try:
            both.wait()
            met.append(True)
        except BrokenBarrierError:
            met.append(False)

    threads = [Thread(target=device.run, args=(work, lambda: 1, "w")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == [False, False]

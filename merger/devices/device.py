"""Where a merge computes, as the rest of the engine sees it: the processor, or lanes of a GPU."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import BoundedSemaphore, local
from typing import Protocol, TypeVar

from merger.checkpoint import Checkpoint
from merger.devices.budget import Budget
from merger.devices.drivers import Driver
from merger.devices.inputs import StagedInputs
from merger.devices.lanes import SLOT_BYTES, SLOTS, Lane
from merger.devices.shortage import Shortage, is_shortage
from merger.inputs import CheckpointInputs
from merger.lazy import Tensor
from merger.plan import Plan

T = TypeVar("T")
Data = Mapping[str, Sequence[Checkpoint]] | None


class Device(Protocol):
    """Where a merge computes.

    Args:
        name: "cpu", or what kind of device it is: results may differ in bits between kinds.
    """

    name: str

    def inputs(
        self, plan: Plan, base: Checkpoint | None, experts: Sequence[Checkpoint], data: Data = None
    ) -> CheckpointInputs:
        """Return what pieces are read from."""
        ...

    def run(self, work: Callable[[], T], need: Callable[[], int], key: str) -> T:
        """Do some work, whose result is in main memory, and return that.

        Args:
            work: May be called a second time, when the device had no memory for it.
            need: Returns the bytes that it takes.
            key: Of which tensor it is; "" for the survey.
        """
        ...

    def fetch(self, values: Tensor) -> Tensor:
        """Return in main memory what work has computed."""
        ...

    def notice(self) -> str | None:
        """Return what is to be known of how it went, if anything."""
        ...


class Host:
    """The processor and main memory: nothing is staged."""

    name = "cpu"

    def __init__(self, said: str | None = None) -> None:
        self._said = said

    def inputs(
        self, plan: Plan, base: Checkpoint | None, experts: Sequence[Checkpoint], data: Data = None
    ) -> CheckpointInputs:
        """Return what pieces are read from."""
        return CheckpointInputs(plan, base, experts, data)

    def run(self, work: Callable[[], T], need: Callable[[], int], key: str) -> T:
        """Do some work."""
        return work()

    def fetch(self, values: Tensor) -> Tensor:
        """Return what was computed."""
        return values

    def notice(self) -> str | None:
        """Return why no other device computes, if one was asked for."""
        return self._said


class Staged:
    """Lanes of one device, each with a queue and buffers of its own.

    Work that the device has no memory for, from the start or all of a sudden, is done by the
    processor.

    Args:
        driver: The device.
        memory: Bytes of its memory that all lanes share.
        lanes: How many pieces of work are under way at once.
        helpers: How many of them the processor does at once, where it has to.
        slots: Buffers of a lane.
        slot_bytes: Bytes of each.
    """

    def __init__(
        self,
        driver: Driver,
        memory: int,
        lanes: int,
        helpers: int = 1,
        *,
        slots: int = SLOTS,
        slot_bytes: int = SLOT_BYTES,
    ) -> None:
        self.name = driver.kind
        self._driver = driver
        self._budget = Budget(memory)
        self._short = Shortage(driver.label, memory)
        self._helpers = BoundedSemaphore(helpers)
        self._here = local()
        self._lanes: SimpleQueue[Lane] = SimpleQueue()
        for _ in range(lanes):
            self._lanes.put(Lane(driver, slots, slot_bytes))

    def inputs(
        self, plan: Plan, base: Checkpoint | None, experts: Sequence[Checkpoint], data: Data = None
    ) -> CheckpointInputs:
        """Return what pieces are read from: on the device within `run`."""
        return StagedInputs(plan, base, experts, data, self._lane)

    def run(self, work: Callable[[], T], need: Callable[[], int], key: str) -> T:
        """Do some work in a lane, or on the processor where the device has no memory for it."""
        size = need()
        if size <= self._budget.size:
            try:
                with self._budget.take(size), self._in_lane():
                    return work()
            except RuntimeError as error:
                if not is_shortage(error):
                    raise
            # Only out here nothing holds on to what the work had made.
            self._driver.tidy()
        self._short.add(key, size)
        with self._helpers:
            return work()

    def fetch(self, values: Tensor) -> Tensor:
        """Return in main memory what work has computed, when all of it is there."""
        lane = self._lane()
        return values if lane is None else lane.fetch(values)

    def notice(self) -> str | None:
        """Return what the device had no memory for, if anything."""
        return self._short.notice()

    def _lane(self) -> Lane | None:
        return getattr(self._here, "lane", None)

    @contextmanager
    def _in_lane(self) -> Iterator[None]:
        lane = self._lanes.get()
        self._here.lane = lane
        try:
            with self._driver.working(lane.queue):
                yield
        finally:
            self._here.lane = None
            lane.rest()
            self._lanes.put(lane)

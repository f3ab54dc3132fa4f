"""What a merge asks of a GPU: memory, copies that run by themselves, word of when they are done.

Only this file knows which maker's GPU it is.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

from merger.devices.shortage import is_shortage
from merger.lazy import Tensor, torch


class Mark(Protocol):
    """A place in the queue of a device's work."""

    def synchronize(self) -> None:
        """Wait until everything before it is done."""
        ...


class Driver(Protocol):
    """One device of one kind.

    Args:
        device: torch's name of it.
        label: What it is called in messages.
        kind: What must be equal for the same bits: the model of the device, not which of several.
        overlaps: Whether copies run while the processor goes on; marks tell when they are done.
    """

    device: Any
    label: str
    kind: str
    overlaps: bool

    def free_bytes(self) -> int:
        """Return how much of its memory a merge may take."""
        ...

    def buffer(self, size: int) -> Tensor:
        """Return so many bytes of main memory that copies to and from it go through."""
        ...

    def queue(self) -> Any:
        """Return a new queue of work, which runs beside other ones."""
        ...

    def working(self, queue: Any) -> AbstractContextManager[Any]:
        """Put the work of this thread into a queue."""
        ...

    def mark(self) -> Mark | None:
        """Return a mark behind all work of this thread's queue, or None where none is open."""
        ...

    def tidy(self) -> None:
        """Give memory back that is kept for later."""
        ...


class PlainDriver:
    """A device whose copies are done when they return: Apple's GPUs, and the processor itself.

    Args:
        device: torch's name of it.
        free: Bytes that a merge may take; asked for when None.
    """

    overlaps = False

    def __init__(self, device: str, free: int | None = None) -> None:
        self.device = torch.device(device)
        self.label = self.kind = device
        self._free = free

    def free_bytes(self) -> int:
        """Return how much of its memory a merge may take."""
        if self._free is not None:
            return self._free
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()

    def buffer(self, size: int) -> Tensor:
        """Return so many bytes of main memory."""
        return torch.empty(size, dtype=torch.uint8)

    def queue(self) -> None:
        """Return nothing: there is one queue."""

    def working(self, queue: None) -> AbstractContextManager[Any]:
        """Do nothing."""
        return nullcontext()

    def mark(self) -> None:
        """Return nothing: all work that the processor waits for is done."""

    def tidy(self) -> None:
        """Give memory back that is kept for later."""
        if self.device.type == "mps":
            torch.mps.empty_cache()


class CudaDriver:
    """A GPU that CUDA drives: pinned buffers, and a stream for each queue."""

    overlaps = True

    def __init__(self, device: str) -> None:
        # Several streams that multiply matrices give the same bits each time only with this; it
        # is read when the first of them does.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self.device = torch.device(device)
        if self.device.index is None:
            self.device = torch.device("cuda", torch.cuda.current_device())
        self.kind = f"cuda {torch.cuda.get_device_name(self.device)}"
        self.label = f"{self.device} ({torch.cuda.get_device_name(self.device)})"
        # torch loads its linear algebra at the first use, which two threads must not be at once:
        # https://github.com/pytorch/pytorch/issues/90613
        torch.linalg.eigh(torch.ones(1, 1, device=self.device))

    def free_bytes(self) -> int:
        """Return how much of its memory a merge may take."""
        free, _ = torch.cuda.mem_get_info(self.device)
        # What this process keeps for later is not free for others, and is for us.
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return free + kept

    def buffer(self, size: int) -> Tensor:
        """Return so many bytes of main memory that stay where they are, if the system has them."""
        try:
            return torch.empty(size, dtype=torch.uint8, pin_memory=True)
        except RuntimeError as error:
            if not is_shortage(error):
                raise
        # Copies through ordinary memory are right as well, and slower.
        return torch.empty(size, dtype=torch.uint8)

    def queue(self) -> Any:
        """Return a new stream."""
        return torch.cuda.Stream(self.device)

    def working(self, queue: Any) -> AbstractContextManager[Any]:
        """Put the work of this thread into a stream, and let its memory be of that stream."""
        return torch.cuda.stream(queue)

    def mark(self) -> Mark:
        """Return a mark behind all work of this thread's stream."""
        # Who waits lets others have the processor.
        mark = torch.cuda.Event(blocking=True)
        mark.record(torch.cuda.current_stream(self.device))
        return mark

    def tidy(self) -> None:
        """Give memory back that is kept for later."""
        torch.cuda.empty_cache()


class Opened(NamedTuple):
    """A device that is ready, or None where the processor computes, and why if that is odd."""

    driver: Driver | None
    said: str | None = None

    @property
    def kind(self) -> str:
        """What computes: "cpu", or what kind of device it is."""
        return "cpu" if self.driver is None else self.driver.kind


def open_driver(device: str) -> Opened:
    """Return the driver of a device by its name, such as cuda:1; the processor has none."""
    if device == "cpu":
        return Opened(None)
    try:
        return Opened(CudaDriver(device) if device.startswith("cuda") else PlainDriver(device))
    except RuntimeError as error:
        if not is_shortage(error):
            raise
    return Opened(
        None,
        f"{device} has no memory left, not even to begin with, so everything was computed on the "
        "processor instead. Close what else uses the device, or choose the cpu.",
    )

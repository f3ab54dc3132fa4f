"""Staging: what goes to a device and comes back passes through a few buffers that are reused."""

from collections import deque
from collections.abc import Iterator

from merger.devices.drivers import Driver, Mark
from merger.lazy import Tensor, torch
from merger.pieces import Piece

# Large enough for the full speed of a bus, small enough to be filled while others are under way.
SLOT_BYTES = 8 << 20
SLOTS = 3


class Slot:
    """One staging buffer, and the mark behind the copy that it was last part of."""

    def __init__(self, memory: Tensor) -> None:
        self._memory = memory
        self.mark: Mark | None = None

    def wait(self) -> None:
        """Wait until no copy is under way from it or to it."""
        if self.mark is not None:
            self.mark.synchronize()
            self.mark = None

    def room(self, like: Tensor) -> Tensor:
        """Return its beginning as so many entries of that dtype."""
        return self._memory[: like.numel() * like.dtype.itemsize].view(like.dtype)


class Ring:
    """Some staging buffers in turn.

    Args:
        driver: The device, which knows what memory its copies like.
        slots: How many.
        size: Bytes of each.
    """

    def __init__(self, driver: Driver, slots: int = SLOTS, size: int = SLOT_BYTES) -> None:
        self.size = size
        self._slots = deque(Slot(driver.buffer(size)) for _ in range(slots))

    def __len__(self) -> int:
        return len(self._slots)

    def take(self) -> Slot:
        """Return the buffer that was taken longest ago, once nothing is under way in it."""
        slot = self._slots[0]
        self._slots.rotate(-1)
        slot.wait()
        return slot


class Lane:
    """A queue of a device's work with buffers of its own; one thread at a time works in it.

    Args:
        driver: The device.
        slots: How many buffers.
        size: Bytes of each.
    """

    def __init__(self, driver: Driver, slots: int = SLOTS, size: int = SLOT_BYTES) -> None:
        self.driver = driver
        self.queue = driver.queue()
        self._ring = Ring(driver, slots, size)
        # The base of the piece at hand, which task vectors and updates both need.
        self.base: tuple[Piece, Tensor] | None = None

    def empty(self, *shape: int, dtype: "torch.dtype | None" = None) -> Tensor:
        """Return room on the device, in float32 unless another dtype is given."""
        return torch.empty(shape, dtype=dtype or torch.float32, device=self.driver.device)

    def send(self, values: Tensor, out: Tensor) -> None:
        """Fill float32 entries of the device with values of main memory, both flat.

        Values cross in the dtype that they are stored in, and are widened over there.
        """
        if values.dtype not in (torch.bfloat16, torch.float16):
            values = values.to(torch.float32)
        for part, place in self._parts(values, out):
            slot = self._ring.take()
            staged = slot.room(part)
            staged.copy_(part)
            if part.dtype == out.dtype:
                place.copy_(staged, non_blocking=self.driver.overlaps)
            else:
                # A copy that also converts would convert on this side, and wait.
                place.copy_(staged.to(out.device, non_blocking=self.driver.overlaps))
            slot.mark = self.driver.mark()

    def fetch(self, values: Tensor) -> Tensor:
        """Return what a device holds in main memory of its own, when all of it is there."""
        found = torch.empty(values.shape, dtype=values.dtype)
        coming: deque[tuple[Slot, Tensor, Tensor]] = deque()
        for part, place in self._parts(values.reshape(-1), found.view(-1)):
            if len(coming) == len(self._ring):
                _land(*coming.popleft())
            slot = self._ring.take()
            staged = slot.room(part)
            staged.copy_(part, non_blocking=self.driver.overlaps)
            slot.mark = self.driver.mark()
            coming.append((slot, staged, place))
        while coming:
            _land(*coming.popleft())
        return found

    def rest(self) -> None:
        """Let go of what the last piece left on the device."""
        self.base = None

    def _parts(self, source: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        step = self._ring.size // source.dtype.itemsize
        yield from zip(source.split(step), target.split(step), strict=True)


def _land(slot: Slot, staged: Tensor, place: Tensor) -> None:
    slot.wait()
    place.copy_(staged)

"""A device that runs out of memory: how that is told from other errors, and told to people."""

from dataclasses import dataclass, field
from threading import Lock

from merger.lazy import torch
from merger.quantities import words_for_bytes

# torch has a class of its own for some of them only: Apple's GPUs, the driver, and libraries that
# ask the driver themselves raise plain errors that say so.
SIGNS = (
    "MPS backend out of memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that a device has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(sign in said for sign in SIGNS)


@dataclass(slots=True)
class Shortage:
    """What a device had no memory for, so that the processor computed it; any thread may add.

    Args:
        label: What the device is called.
        free: Bytes that a merge could use there when it began.
    """

    label: str
    free: int
    most: int = 0
    blocks: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    has_survey: bool = False
    _lock: Lock = field(default_factory=Lock)

    def add(self, key: str, need: int) -> None:
        """Note a block of a tensor, or with no name the survey, and the bytes that it takes."""
        with self._lock:
            self.most = max(self.most, need)
            if key:
                self.blocks += 1
                self.keys[key] = None
            else:
                self.has_survey = True

    def notice(self) -> str | None:
        """Return in one line what happened and what to do, or None where there was room."""
        done = ["the statistics that come first"] if self.has_survey else []
        if self.blocks:
            done.append(f"{_count(self.blocks, 'block')} of {_count(len(self.keys), 'tensor')}")
        if not done:
            return None
        were = "was" if done == [f"1 block of {_count(1, 'tensor')}"] else "were"
        return (
            f"{self.label} is short of memory: {words_for_bytes(self.free)} could be used, and up "
            f"to {words_for_bytes(self.most)} were wanted at once, so {' and '.join(done)} {were} "
            "computed on the processor instead, which is slower and may differ in the last bits. "
            "Close what else uses the device, or choose the cpu."
        )


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

"""What is known about one background job at one moment."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot of one background job.

    Args:
        id: Unguessable; who knows it may read and cancel the job.
        seconds: Time spent running, so far or in all.
        error: type, message and hint when the state is FAILED or INTERRUPTED.
        result: What the work returned when the state is DONE.
        phase_seconds: Time since `done` last began at zero; a merge counts bytes twice.
    """

    id: str
    title: str
    state: JobState
    done: int
    total: int
    unit: str
    note: str
    seconds: float
    error: dict[str, str] | None
    result: dict[str, Any] | None
    kind: str = ""
    owner: str = ""
    created: float = 0.0
    phase_seconds: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing more will happen to it."""
        return self.state.is_finished

    def to_json(self) -> dict[str, Any]:
        """Return the public shape; the owner is nobody else's business."""
        names = ("id", "title", "state", "done", "total", "unit", "note")
        shape: dict[str, Any] = {name: getattr(self, name) for name in names}
        shape["state"] = self.state.value
        return shape | {
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "result": self.result,
        }


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a job goes, and how long it still takes; None while unknown."""

    per_second: float | None
    seconds_left: float | None


def rate(job: Job) -> Rate:
    """Return the speed of a job's current phase and the time that is left."""
    if job.state is not JobState.RUNNING or job.done <= 0 or job.phase_seconds <= 0:
        return Rate(None, None)
    per_second = job.done / job.phase_seconds
    left = max(job.total - job.done, 0) / per_second if job.total else None
    return Rate(per_second, left)

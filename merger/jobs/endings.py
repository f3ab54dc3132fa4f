"""How jobs end, as their rows say it."""

from typing import Any

from merger.jobs.job import JobState
from merger.jobs.process import WorkerProcess

SIGNED_OUT = {
    "type": "JobError",
    "message": "The program was started anew, and keeps nobody's sign-in.",
    "hint": "Sign in and start it again.",
}


def ended_by_word(message: dict[str, Any]) -> tuple[JobState, dict[str, Any]]:
    """Return the end that the worker tells of."""
    if message["type"] == "done":
        return JobState.DONE, {"result": message["result"]}
    if message["type"] == "cancelled":
        return JobState.CANCELLED, {}
    return JobState.FAILED, {"error": message["error"]}


def ended_by_death(worker: WorkerProcess) -> tuple[JobState, dict[str, Any]]:
    """Return the end of a job whose worker is gone."""
    reason = worker.reason_of_death()
    hint = "Nothing was written. Start it again, with less memory or fewer experts if it repeats."
    return JobState.FAILED, {
        "error": {"type": "JobError", "message": f"The job died: {reason}.", "hint": hint}
    }

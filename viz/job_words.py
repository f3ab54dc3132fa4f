"""What the card of a background job says of many merges that are scored one after another."""

from typing import Any

from merger.jobs import Job, JobState, rate

COUNTED = ("explore", "score", "training")


def merges_in_words(job: Job, result: dict[str, Any]) -> str:
    """Return how far such a job is, how long it still takes, or what it found."""
    if job.state is JobState.DONE:
        if "steps" in result:
            return f"Measured at {result['steps']} steps in {job.seconds:.0f} s."
        said = f"{result.get('scored', 0)} merges scored in {job.seconds:.0f} s."
        left_out = result.get("left_out", 0)
        if left_out:
            said += f" {left_out} left out: {result.get('why', '')}"
        return said
    if job.is_finished:
        return f"Stopped after {job.done} of {job.total} {job.unit}; what was scored is kept."
    parts = [f"{job.done} of {job.total} {job.unit}" if job.total else "", job.note]
    left = rate(job).seconds_left
    if left is not None:
        parts.append(f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")
    return " · ".join(part for part in parts if part)

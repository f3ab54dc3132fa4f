"""Background jobs: submit, follow, cancel; see `runner.py` for how they run."""

from merger.jobs.job import Job, JobState, Rate, rate
from merger.jobs.runner import KINDS, JobRunner
from merger.jobs.store import Limits

__all__ = ["KINDS", "Job", "JobRunner", "JobState", "Limits", "Rate", "rate"]

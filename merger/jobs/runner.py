"""Runs merges and searches in the background, one after the other, where no crash can hurt."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from merger.errors import JobError, did_you_mean
from merger.hub.access import Secret
from merger.jobs.endings import SIGNED_OUT, ended_by_death, ended_by_word
from merger.jobs.job import Job, JobState
from merger.jobs.lock import RunnerLock
from merger.jobs.process import WorkerProcess
from merger.jobs.store import INTERRUPTED, JobStore, Limits
from merger.pace import NAME as PACE
from merger.progress import Progress
from merger.workspace import Workspace, folder_bytes

KINDS: Mapping[str, str] = {
    "merge": "merger.jobs.merging:merge_in_background",
    "explore": "merger.jobs.exploring:explore_in_background",
    "score": "merger.jobs.exploring:score_in_background",
    "training": "merger.jobs.training:measure_in_background",
    "fetch": "merger.jobs.fetching:fetch_in_background",
}
"""What can be asked for, and the function that does it: `work(payload, report, cancel)`."""

FOLLOW_SECONDS = 0.1
TITLE_LENGTH = 200

log = logging.getLogger(__name__)


class JobRunner:
    """Takes jobs in the order they come and runs each in one background process.

    Args:
        workspace: Where jobs and their outputs are kept.
        kinds: Kind of job to "module:function"; the function gets `payload` (with the job's
            own `folder` added), `report` and `cancel`, and returns a JSON-able dict.
        limits: What one owner may ask for, and how much is kept.
        grace_seconds: How long a cancelled job may take to stop by itself.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        kinds: Mapping[str, str] = KINDS,
        limits: Limits | None = None,
        grace_seconds: float = 10.0,
    ) -> None:
        self._workspace = workspace
        self._kinds = dict(kinds)
        self._limits = limits or Limits()
        self._grace = grace_seconds
        self._lock = RunnerLock(workspace)
        self._store = JobStore(workspace, self._lock.name)
        self._store.inherit()
        # Tokens of owners: in this memory and that of the worker, and never in a row.
        self._secrets: dict[str, Secret] = {}
        self._worker: WorkerProcess | None = None
        self._starting = threading.Lock()
        self._work_arrived = threading.Event()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="jobs", daemon=True)
        self._thread.start()
        self._work_arrived.set()

    def submit(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        owner: str,
        title: str,
        secret: Secret | None = None,
    ) -> Job:
        """Queue a job and return it with its unguessable id.

        Args:
            kind: What is to be done.
            payload: What it is done with; kept in the job's row.
            owner: Whose job it is.
            title: What a page calls it.
            secret: The owner's token, which the work gets as `token`. It is kept in no row, so
                that a job that outlives the program without it fails with words.

        Raises:
            JobError: The kind is unknown, or the owner waits for or keeps too much already.
        """
        if not owner:
            raise ValueError("A job needs an owner; visitors without one would share theirs.")
        if kind not in self._kinds:
            raise JobError(f"{kind!r} is not a kind of job.", did_you_mean(kind, self._kinds))
        text = json.dumps(payload | ({"signed_in": True} if secret is not None else {}))
        if len(text) > self._limits.payload_bytes:
            raise JobError(
                f"A job's description may have {self._limits.payload_bytes:,} characters, "
                f"this one has {len(text):,}."
            )
        short = " ".join(title.split())[:TITLE_LENGTH]
        job_id = self._store.new_id()
        if secret is not None:
            # Before the row: the thread that runs jobs may take it at once.
            self._secrets[job_id] = secret
        try:
            self._store.insert(job_id, kind, text, owner, short, self._limits)
        except BaseException:
            self._secrets.pop(job_id, None)
            raise
        self._work_arrived.set()
        return self._store.get(job_id)

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return a job as it stands now.

        Raises:
            JobError: There is no such job, or it is not this owner's.
        """
        return self._store.get(job_id, owner)

    def list(self, owner: str) -> list[Job]:
        """Return one owner's jobs, newest first."""
        return self._store.list(owner)

    def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Ask a job to stop; one that has finished stays as it is."""
        self._store.get(job_id, owner)
        self._store.ask_to_stop(job_id)
        self._tell()
        job = self._store.get(job_id)
        if job.is_finished:
            self._secrets.pop(job_id, None)
        return job

    def delete(self, job_id: str, owner: str | None = None) -> None:
        """Forget a finished job and delete what it wrote."""
        job = self._store.get(job_id, owner)
        if not job.is_finished:
            raise JobError(f"This job is still {job.state.lower()}.", "Cancel it first.")
        self._store.delete(job_id)

    async def follow(self, job_id: str, owner: str | None = None) -> AsyncIterator[Job]:
        """Give a snapshot at every change, at most ten a second, until the job has finished.

        Any number of followers may come and go; the job does not notice.
        """
        last: Job | None = None
        while True:
            job = self._store.get(job_id, owner)
            if last is None or _visible(job) != _visible(last):
                last = job
                yield job
            if job.is_finished:
                return
            await asyncio.sleep(FOLLOW_SECONDS)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Block until a job has finished, or the time is over, and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self.get(job_id).is_finished, timeout)
        return self.get(job_id)

    def warm_up(self) -> None:
        """Start the background process and let it import what it needs, before the first job."""
        worker = self._ready_worker()
        for work in self._kinds.values():
            worker.send({"type": "warm", "work": work})

    def close(self) -> None:
        """Stop: what runs becomes INTERRUPTED, what waits goes on at the next start."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._work_arrived.set()
        self._thread.join()
        if self._worker is not None:
            self._worker.stop()
        self._lock.release()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._work_arrived.wait()
            self._work_arrived.clear()
            try:
                while not self._closing.is_set() and (taken := self._store.take_next()):
                    self._tell()
                    self._run(*taken)
                    self._tell()
                    self._forget_secrets()
                    self._workspace.sweep(self._limits.total_bytes, self._limits.keep_seconds)
            except Exception:
                # A full disk must not end the only thread that runs jobs.
                log.exception("A job could not be recorded.")

    def _forget_secrets(self) -> None:
        """Let go of the tokens of jobs that another runner cancelled."""
        for job_id in list(self._secrets):
            try:
                if self._store.get(job_id).is_finished:
                    self._secrets.pop(job_id, None)
            except JobError:
                continue  # its row is not there yet

    def _run(self, job: Job, payload: dict[str, Any]) -> None:
        secret = self._secrets.pop(job.id, None)
        if payload.pop("signed_in", False) and secret is None:
            self._store.finish(job.id, JobState.FAILED, error=SIGNED_OUT)
            return
        folder = self._workspace.output_folder(job.id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            worker = self._ready_worker()
        except OSError as error:
            said = {"type": "OutputError", "message": f"The job could not start: {error}."}
            said["hint"] = "Make room in the workspace, or choose another one."
            self._store.finish(job.id, JobState.FAILED, error=said)
            return
        order: dict[str, Any] = {"type": "run", "id": job.id, "work": self._kinds[job.kind]}
        order["payload"] = payload | {
            "folder": str(folder),
            "pace": str(self._workspace.folder / PACE),
        }
        if secret is not None:
            order["secret"] = secret.reveal()
        worker.send(order)
        end, details = self._watch(job.id, worker)
        if end is not JobState.DONE:
            self._workspace.remove_output(job.id)
        size = folder_bytes(folder) if end is JobState.DONE else 0
        self._store.finish(job.id, end, size=size, **details)

    def _watch(self, job_id: str, worker: WorkerProcess) -> tuple[JobState, dict[str, Any]]:
        """Record what the worker says until the job has ended one way or the other."""
        phase, furthest, asked = time.time(), 0, None
        while True:
            if self._closing.is_set():
                worker.stop()
                return JobState.INTERRUPTED, {"error": INTERRUPTED}
            if asked is None and self._store.is_asked_to_stop(job_id):
                asked = time.monotonic()
                worker.send({"type": "cancel", "id": job_id})
            if asked is not None and time.monotonic() - asked > self._grace:
                worker.stop()
                return JobState.CANCELLED, {}
            try:
                message = worker.next_message(FOLLOW_SECONDS)
            except TimeoutError:
                continue
            if message is None:
                return ended_by_death(worker)
            if message["type"] != "progress":
                return ended_by_word(message)
            if message["done"] < furthest:
                phase = time.time()
            furthest = message["done"]
            said = {name: message[name] for name in ("done", "total", "unit", "note")}
            self._store.progress(job_id, Progress(**said), phase)
            self._tell()

    def _ready_worker(self) -> WorkerProcess:
        # warm_up() and the first job may come at once.
        with self._starting:
            if self._worker is not None and not self._worker.is_alive():
                self._worker.stop()
                self._worker = None
            if self._worker is None:
                self._worker = WorkerProcess()
            return self._worker

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _visible(job: Job) -> tuple:
    return job.state, job.done, job.total, job.unit, job.note

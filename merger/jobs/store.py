"""Jobs as rows of the workspace, and which running program each of them belongs to."""

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from merger.errors import JobError
from merger.jobs.job import Job, JobState
from merger.jobs.lock import RunnerLock
from merger.jobs.turns import turns
from merger.progress import Progress
from merger.workspace import Workspace

INTERRUPTED = {
    "type": "JobError",
    "message": "The program stopped while this job was running.",
    "hint": "Start it again.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked for and how much is kept; None lifts a limit.

    Args:
        waiting: Jobs that one owner may have waiting.
        disk_bytes: What the outputs of one owner may take.
        payload_bytes: How long the description of a job may be.
        total_bytes: What all outputs together may take; the oldest make room.
        keep_seconds: How long a finished job is remembered.
    """

    waiting: int | None = 4
    disk_bytes: int | None = 20 * 2**30
    payload_bytes: int = 2**20
    total_bytes: int | None = None
    keep_seconds: float | None = None


class JobStore:
    """The rows of one runner's jobs; every change is one transaction."""

    def __init__(self, workspace: Workspace, runner: str) -> None:
        self.workspace = workspace
        self.runner = runner

    @staticmethod
    def new_id() -> str:
        """Return an id that nobody can guess."""
        return secrets.token_urlsafe(16)

    def insert(
        self, job_id: str, kind: str, payload: str, owner: str, title: str, limits: Limits
    ) -> None:
        """Add a waiting job, unless the owner has too much already."""
        with self.workspace.transaction() as db:
            waiting, used = db.execute(
                "SELECT count(*) FILTER (WHERE state = 'WAITING'), coalesce(sum(bytes), 0) "
                "FROM jobs WHERE owner = ?",
                (owner,),
            ).fetchone()
            _check_limits(waiting, used, limits)
            db.execute(
                "INSERT INTO jobs (id, owner, kind, title, payload, state, runner, created) "
                "VALUES (?, ?, ?, ?, ?, 'WAITING', ?, ?)",
                (job_id, owner, kind, title, payload, self.runner, time.time()),
            )

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return a job; one that is somebody else's is as unknown as one that never was."""
        found = self.workspace.rows("SELECT * FROM jobs WHERE id = ?", (str(job_id),))
        if not found or (owner is not None and found[0]["owner"] != owner):
            raise JobError("There is no such job.", "It may have been removed; start a new one.")
        return self._jobs(found)[0]

    def _jobs(self, rows: Sequence[sqlite3.Row]) -> list[Job]:
        """Return rows as jobs, each one that waits with how many come before it."""
        ahead: dict[str, int] = {}
        for runner in sorted({row["runner"] for row in rows if row["state"] == JobState.WAITING}):
            query = "SELECT count(*) AS n FROM jobs WHERE runner = ? AND state = 'RUNNING'"
            running = self.workspace.rows(query, (runner,))[0]["n"]
            order = _order(self.workspace.rows, runner)
            ahead |= {id: running + place for place, id in enumerate(order)}
        return [_job(row, ahead.get(row["id"], 0)) for row in rows]

    def list(self, owner: str) -> list[Job]:
        """Return one owner's jobs, newest first."""
        query = "SELECT * FROM jobs WHERE owner = ? ORDER BY number DESC"
        return self._jobs(self.workspace.rows(query, (owner,)))

    def ask_to_stop(self, job_id: str) -> None:
        """Cancel a waiting job now, and a running one as soon as its runner looks."""
        with self.workspace.transaction() as db:
            db.execute(
                "UPDATE jobs SET state = 'CANCELLED', finished = ? "
                "WHERE id = ? AND state = 'WAITING'",
                (time.time(), job_id),
            )
            db.execute("UPDATE jobs SET stop = 1 WHERE id = ? AND state = 'RUNNING'", (job_id,))

    def is_asked_to_stop(self, job_id: str) -> bool:
        """Tell whether somebody cancelled this running job."""
        found = self.workspace.rows("SELECT stop FROM jobs WHERE id = ?", (job_id,))
        return not found or bool(found[0]["stop"])

    def take_next(self) -> tuple[Job, dict[str, Any]] | None:
        """Mark the job of this runner whose turn it is as running; return it and its payload."""
        with self.workspace.transaction() as db:
            order = _order(db.execute, self.runner)
            if not order:
                return None
            now = time.time()
            db.execute(
                "UPDATE jobs SET state = 'RUNNING', started = ?, phase_started = ? WHERE id = ?",
                (now, now, order[0]),
            )
            row = db.execute("SELECT payload FROM jobs WHERE id = ?", (order[0],)).fetchone()
        return self.get(order[0]), json.loads(row["payload"])

    def progress(self, job_id: str, progress: Progress, phase_started: float) -> None:
        """Write how far a running job is."""
        with self.workspace.transaction() as db:
            db.execute(
                "UPDATE jobs SET done = ?, total = ?, unit = ?, note = ?, phase_started = ? "
                "WHERE id = ? AND state = 'RUNNING'",
                (
                    progress.done,
                    progress.total,
                    progress.unit,
                    progress.note,
                    phase_started,
                    job_id,
                ),
            )

    def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        result: dict[str, Any] | None = None,
        error: dict[str, str] | None = None,
        size: int = 0,
    ) -> None:
        """Write how a job ended."""
        with self.workspace.transaction() as db:
            db.execute(
                "UPDATE jobs SET state = ?, result = ?, error = ?, bytes = ?, finished = ? "
                "WHERE id = ?",
                (
                    state.value,
                    None if result is None else json.dumps(result),
                    None if error is None else json.dumps(error),
                    size,
                    time.time(),
                    job_id,
                ),
            )

    def delete(self, job_id: str) -> None:
        """Forget a finished job and what it wrote."""
        self.workspace.remove_output(job_id)
        with self.workspace.transaction() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def inherit(self) -> None:
        """Take over from runners that are gone: running jobs are lost, waiting ones go on."""
        found = self.workspace.rows(
            "SELECT DISTINCT runner FROM jobs WHERE state IN ('WAITING', 'RUNNING')"
        )
        gone = [row["runner"] for row in found if row["runner"] != self.runner]
        for runner in gone:
            if RunnerLock.is_alive(self.workspace, runner):
                continue
            query = "SELECT id FROM jobs WHERE runner = ? AND state = 'RUNNING'"
            for row in self.workspace.rows(query, (runner,)):
                self.workspace.remove_output(row["id"])
                self.finish(row["id"], JobState.INTERRUPTED, error=INTERRUPTED)
            with self.workspace.transaction() as db:
                db.execute(
                    "UPDATE jobs SET runner = ? WHERE runner = ? AND state = 'WAITING'",
                    (self.runner, runner),
                )


def _check_limits(waiting: int, used: int, limits: Limits) -> None:
    if limits.waiting is not None and waiting >= limits.waiting:
        raise JobError(
            f"Jobs waiting: you may have at most {limits.waiting}, and have {waiting}.",
            "Wait for one to finish, or cancel one.",
        )
    if limits.disk_bytes is not None and used >= limits.disk_bytes:
        raise JobError(
            f"Your outputs: they may take {limits.disk_bytes:,} bytes, and take {used:,} already.",
            "Delete one that you no longer need.",
        )


def _order(ask: Callable[..., Iterable[sqlite3.Row]], runner: str) -> list[str]:
    """Return the ids of a runner's waiting jobs in the order in which they will run."""
    query = "SELECT id, owner FROM jobs WHERE runner = ? AND state = 'WAITING' ORDER BY number"
    waiting = [(row["id"], row["owner"]) for row in ask(query, (runner,))]
    query = "SELECT owner, max(started) AS last FROM jobs WHERE runner = ? GROUP BY owner"
    served = {row["owner"]: row["last"] or 0.0 for row in ask(query, (runner,))}
    return turns(waiting, served)


def _job(row: sqlite3.Row, ahead: int) -> Job:
    end = row["finished"] or time.time()
    note = row["note"]
    if row["state"] == JobState.WAITING and ahead:
        note = "1 job is ahead" if ahead == 1 else f"{ahead} jobs are ahead"
    return Job(
        id=row["id"],
        title=row["title"],
        state=JobState(row["state"]),
        done=row["done"],
        total=row["total"],
        unit=row["unit"],
        note=note,
        seconds=max(end - row["started"], 0.0) if row["started"] else 0.0,
        error=json.loads(row["error"]) if row["error"] else None,
        result=json.loads(row["result"]) if row["result"] else None,
        kind=row["kind"],
        owner=row["owner"],
        created=row["created"],
        phase_seconds=max(end - row["phase_started"], 0.0) if row["phase_started"] else 0.0,
    )

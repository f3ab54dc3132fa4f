"""The folder that remembers: one SQLite file, and the outputs of background jobs."""

import re
import shutil
import sqlite3
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from merger.errors import OutputError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
            payload TEXT NOT NULL, state TEXT NOT NULL, runner TEXT NOT NULL,
            stop INTEGER NOT NULL DEFAULT 0,
            done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
            unit TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
            error TEXT, result TEXT, bytes INTEGER NOT NULL DEFAULT 0,
            created REAL NOT NULL, started REAL, phase_started REAL, finished REAL)""",
        "CREATE INDEX jobs_by_owner ON jobs (owner, number)",
        "CREATE INDEX jobs_by_state ON jobs (state, number)",
        """CREATE TABLE library (
            digest TEXT NOT NULL, split TEXT NOT NULL, scorer TEXT NOT NULL, owner TEXT NOT NULL,
            recipe TEXT NOT NULL, scores TEXT NOT NULL, note TEXT NOT NULL DEFAULT '',
            pinned INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL,
            PRIMARY KEY (owner, digest, split, scorer))""",
    ),
    (
        "ALTER TABLE library ADD COLUMN anchor TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE library ADD COLUMN norm REAL",
        "ALTER TABLE library ADD COLUMN bytes INTEGER",
        "ALTER TABLE library ADD COLUMN about TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE library ADD COLUMN changed REAL NOT NULL DEFAULT 0",
        "CREATE INDEX library_by_change ON library (owner, changed)",
    ),
)
"""One entry a schema version, oldest first. Never edit an entry that was released: append."""

DOWNLOAD_LIMIT_BYTES = 2 * 2**30


class Workspace:
    """A folder with one database and one output folder a job.

    Args:
        folder: Where to keep it; the platform's user-data folder when not given.
    Raises:
        OutputError: The folder cannot be written, or holds something else.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        default = platformdirs.user_data_path("mergescope", appauthor=False)
        self.folder = Path(folder).expanduser().absolute() if folder else default
        self.outputs = self.folder / "outputs"
        self.database = self.folder / "workspace.sqlite"
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        try:
            self.outputs.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            # A page that follows a job must not wait while another process writes.
            self._reader = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._migrate()
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database; what is stored stays."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the database for a few statements that happen together or not at all."""
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                # A full disk may have rolled back already.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise self._unusable(error) from error
                raise

    def rows(self, query: str, values: tuple = ()) -> list[sqlite3.Row]:
        """Return what a query finds."""
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def output_folder(self, job_id: str) -> Path:
        """Return the folder that belongs to one job alone."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", job_id):
            raise OutputError(f"{job_id[:80]!r} is not the id of a job.")
        # A token may begin with "-", which some tools would read as an option.
        return self.outputs / f"job-{job_id}"

    def remove_output(self, job_id: str) -> None:
        """Delete what a job wrote, whole or half."""
        shutil.rmtree(self.output_folder(job_id), ignore_errors=True)

    def archive(self, job_id: str, limit_bytes: int = DOWNLOAD_LIMIT_BYTES) -> Path:
        """Return a job's output as one zip file to download, packing it at the first call.

        Raises:
            OutputError: There is nothing to pack, or more than a browser should be sent.
        """
        inside = [p for p in sorted(self.output_folder(job_id).glob("*")) if p.is_dir()]
        if not inside:
            raise OutputError("This output is no longer there.", "Run the merge again.")
        target = inside[0].with_name(f"{inside[0].name}.zip")
        if target.exists():
            return target
        size = folder_bytes(inside[0])
        if size > limit_bytes:
            raise OutputError(
                f"This output is too large to download: {size:,} bytes of at most "
                f"{limit_bytes:,}.",
                f"Copy it from {inside[0]}.",
            )
        half = target.with_suffix(f".zip.{threading.get_ident()}")
        try:
            with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as pack:
                for path in sorted(p for p in inside[0].rglob("*") if p.is_file()):
                    pack.write(path, path.relative_to(inside[0].parent))
            half.replace(target)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise OutputError(f"{target.name} cannot be written: {error.strerror}.") from error
        return target

    def sweep(self, max_bytes: int | None = None, max_age_seconds: float | None = None) -> int:
        """Delete old outputs of finished jobs, oldest first, and return the bytes given back.

        Args:
            max_bytes: What all outputs together may take; None for no limit.
            max_age_seconds: How long a finished job is remembered; None for ever.
        """
        now, freed = time.time(), 0
        finished = self.rows(
            "SELECT id, finished FROM jobs WHERE finished IS NOT NULL ORDER BY finished, number"
        )
        if max_age_seconds is not None:
            for row in finished:
                if now - row["finished"] > max_age_seconds:
                    freed += self._forget(row["id"], whole=True)
        if max_bytes is not None:
            excess = folder_bytes(self.outputs) - max_bytes
            for row in finished:
                if excess <= 0:
                    break
                gone = self._forget(row["id"], whole=False)
                freed, excess = freed + gone, excess - gone
        return freed + self._sweep_orphans(now)

    def _forget(self, job_id: str, *, whole: bool) -> int:
        size = folder_bytes(self.output_folder(job_id))
        self.remove_output(job_id)
        with self.transaction() as db:
            if whole:
                db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            elif size:
                db.execute(
                    "UPDATE jobs SET bytes = 0, note = 'output removed to make room', "
                    "result = json_set(result, '$.path', NULL) WHERE id = ?",
                    (job_id,),
                )
        return size

    def _sweep_orphans(self, now: float) -> int:
        known = {f"job-{row['id']}" for row in self.rows("SELECT id FROM jobs")}
        freed = 0
        for folder in sorted(self.outputs.iterdir()):
            # An hour of grace: another process may be about to write its row.
            with suppress(OSError):
                if folder.name not in known and now - folder.stat().st_mtime > 3600:
                    freed += folder_bytes(folder)
                    shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.database, timeout=30, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _migrate(self) -> None:
        with self.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            row = db.execute("SELECT max(version) FROM schema_version").fetchone()
            version = row[0] or 0
            if version > len(MIGRATIONS):
                raise OutputError(
                    f"Workspace {self.folder}: this program reads schema versions up to "
                    f"{len(MIGRATIONS)}, the folder has version {version}.",
                    "Update the program, or choose another folder with --workspace.",
                )
            for number, statements in enumerate(MIGRATIONS[version:], version + 1):
                for statement in statements:
                    db.execute(statement)
                db.execute("INSERT INTO schema_version VALUES (?)", (number,))

    def _unusable(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"Workspace {self.folder}: it must be a folder that can be written, got: {reason}.",
            "Choose another folder with --workspace.",
        )


def safe_name(text: str, fallback: str = "merged") -> str:
    """Return a file name made of what a user typed: never a path, never hidden, never empty.

    Example:
        >>> safe_name("../My <b>merge</b>")
        'My-b-merge-b'
    """
    words = re.findall(r"[A-Za-z0-9_.]+", text)
    name = "-".join(word.strip(".") for word in words if word.strip("."))[:64].strip(".-")
    return name or fallback


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; 0 when there is none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if not path.is_symlink() and path.is_file():
                total += path.stat().st_size
    return total

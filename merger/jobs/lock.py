"""Which of several programs on one workspace still run."""

import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path

from merger.workspace import Workspace


class RunnerLock:
    """Shows other programs on the same workspace that this runner is alive.

    The lock is an open transaction on a file of its own: the system lets go of it when the
    process dies, however it dies, and SQLite's locks work on every platform.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.name = secrets.token_hex(8)
        self._path = self._file(workspace, self.name)
        self._path.parent.mkdir(exist_ok=True)
        self._hold = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._hold.execute("BEGIN EXCLUSIVE")

    def release(self) -> None:
        """Let the next program know that this runner is gone."""
        self._hold.close()
        self._path.unlink(missing_ok=True)

    @classmethod
    def is_alive(cls, workspace: Workspace, runner: str) -> bool:
        """Tell whether a runner with this name still holds its lock."""
        path = cls._file(workspace, runner)
        if not path.exists():
            return False
        probe = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            probe.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return True
        finally:
            probe.close()
        with suppress(OSError):
            path.unlink()
        return False

    @staticmethod
    def _file(workspace: Workspace, runner: str) -> Path:
        return workspace.folder / "runners" / f"{runner}.lock"

"""Hold a target folder for one merge at a time, and put the finished result in its place."""

import errno
import fcntl
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from merger.errors import OutputError
from merger.header import shown


class Claim:
    """The right to write one target: a lock beside it, and a working folder that replaces it.

    Args:
        target: The folder that the result will be.
        mark: Some hexadecimal digits that name this merge; a resumed merge has the same.
        force: Whether a model that is already there may be replaced.
        resume: Whether the working folder of an interrupted merge of the same mark is kept.
    """

    def __init__(self, target: Path, mark: str, *, force: bool = False, resume: bool = False):
        self.target = Path(os.path.realpath(target))
        self.folder = self.target.with_name(f".{self.target.name}.merging-{mark}")
        self._aside = self.target.with_name(f".{self.target.name}.replaced-{mark}")
        self._lock_path = self.target.with_name(f".{self.target.name}.merging.lock")
        self._force = force
        self._made: list[Path] = []
        self._lock = -1
        with output_errors(self.target):
            try:
                self._check_target()
            except OutputError:
                self._tidy()
                raise
            self._make_parents()
            try:
                self._take_lock()
                self._check_target()
                self._clear(keep=self.folder if resume else None)
                self.folder.mkdir(exist_ok=True)
            except BaseException:
                self.release()
                raise

    def commit(self) -> Path:
        """Put the working folder in the target's place, and return the target."""
        with output_errors(self.target):
            self._check_target()
            replaced = self.target.is_dir() and any(self.target.iterdir())
            if replaced:
                os.rename(self.target, self._aside)
            try:
                os.rename(self.folder, self.target)
            except BaseException:
                if replaced:
                    os.rename(self._aside, self.target)
                raise
            _flush_folder(self.target.parent)
            self._made.clear()
            shutil.rmtree(self._aside, ignore_errors=True)
        self.release()
        return self.target

    def abandon(self) -> None:
        """Remove the working folder and everything else that was made for this merge."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let others write the target; a working folder that is still there stays."""
        if self._lock >= 0:
            with suppress(OSError):
                self._lock_path.unlink()
            os.close(self._lock)
            self._lock = -1
        for parent in reversed(self._made):
            with suppress(OSError):
                parent.rmdir()
        self._made.clear()

    def _check_target(self) -> None:
        target = self.target
        if not target.name or target == Path.cwd():
            raise OutputError(f"{target} cannot be the output folder.", "Name a new folder.")
        if target.exists() and not target.is_dir():
            raise OutputError(f"{target} is a file.", "Name a new folder.")
        if not target.is_dir() or not any(target.iterdir()):
            return
        if not self._force:
            raise OutputError(
                f"{target} exists already, and is kept.",
                "Choose another folder, or use --force to replace it.",
            )
        if not _is_merge(target):
            raise OutputError(
                f"{target} holds files that no merge has written, so it is not replaced.",
                "Choose another folder.",
            )

    def _make_parents(self) -> None:
        missing = [path for path in self.target.parents if not path.exists()]
        for path in reversed(missing):
            path.mkdir()
            self._made.append(path)

    def _take_lock(self) -> None:
        while True:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(lock)
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                raise OutputError(
                    f"Another merge is writing to {self.target}.",
                    "Wait until it is done, cancel it, or choose another folder.",
                ) from error
            if _is_same_file(lock, self._lock_path):
                self._lock = lock
                return
            # Its owner removed it between our opening and our locking.
            os.close(lock)

    def _tidy(self) -> None:
        """Remove what a merge left that was killed when its model was in place already."""
        if not self.target.is_dir() or not self._lock_path.exists():
            return
        with suppress(OutputError, OSError):
            self._take_lock()
            for path, kind in self._leftovers():
                if kind == "replaced" and any(self.target.iterdir()):
                    shutil.rmtree(path, ignore_errors=True)
            self.release()

    def _leftovers(self) -> list[tuple[Path, str]]:
        """Return folders beside the target that killed merges into it left, with their kind."""
        pattern = re.compile(rf"\.{re.escape(self.target.name)}\.(merging|replaced)-[0-9a-f]+")
        found = ((p, pattern.fullmatch(p.name)) for p in sorted(self.target.parent.iterdir()))
        return [(path, match[1]) for path, match in found if match]

    def _clear(self, keep: Path | None) -> None:
        """Remove what killed merges into this target left behind."""
        for path, kind in self._leftovers():
            if path == keep:
                continue
            if kind == "replaced" and not self.target.exists():
                # Killed between the two renames of a commit: the old model is still whole.
                os.rename(path, self.target)
                self._check_target()
            else:
                shutil.rmtree(path)


class output_errors:  # noqa: N801  reads as a statement: with output_errors(target):
    """Turn what the system says about a file into an OutputError that names the target."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what, hint = "the disk is full", "Free some space, or choose another disk."
        elif error.errno == errno.EFBIG:
            what, hint = "the file grew beyond the size allowed here", "Raise the file-size limit."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what, hint = "it is not writable", "Choose a folder that you may write to."
        elif error.errno == errno.EFAULT:
            # Bytes that are copied go from a mapped file straight into the new one.
            what = "a model that goes into it was cut short meanwhile"
            hint = "Start again when nothing writes to the models any more."
        elif error.errno == errno.ENOTDIR:
            what, hint = "a part of its path is a file", "Choose another folder."
        else:
            what, hint = shown(error.strerror or str(error)), "Choose another folder."
        raise OutputError(f"{self.target} cannot be written: {what}.", hint) from error


def _is_merge(folder: Path) -> bool:
    """Return whether nothing is lost but a model, or one for each expert, with a folder.

    Many folders hold a config.json or a recipe.yaml, and work that is nobody else's.
    """
    if (folder / ".git").exists():
        return False
    if any(folder.glob("*.safetensors")):
        return True
    return all(
        (path / "recipe.yaml").is_file() and any(path.glob("*.safetensors"))
        for path in folder.iterdir()
    )


def _is_same_file(file: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

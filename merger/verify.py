"""Is every file of a saved merge the one that was written? Compares with the model card."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

from merger.card import read_checksums
from merger.checksums import checksum
from merger.errors import SourceError
from merger.finishing import CARD
from merger.layout import inner_models
from merger.progress import Progress, Report

State = Literal["same", "differs", "missing", "extra"]
MAX_CARD_BYTES = 10_000_000
WORDS: Mapping[State, str] = {
    "same": "as it was written",
    "differs": "changed since it was written",
    "missing": "missing",
    "extra": "not in the card",
}


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a saved merge.

    Args:
        name: Its name.
        state: "same" as the card says, "differs" from it, "missing", or "extra": not listed.
        listed: The checksum in the card, "" for an extra file.
        found: The checksum now; "" where its size says enough already, or where it is missing.
    """

    name: str
    state: State
    listed: str
    found: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the files of a saved merge are those that were written.

    Args:
        path: The folder.
        files: Every file that the card lists, then what else lies there.
    """

    path: str
    files: tuple[FileState, ...]

    @property
    def is_well(self) -> bool:
        """Whether every listed file is as it was written, and no other weights lie beside."""
        return not self.wrong

    @property
    def wrong(self) -> tuple[FileState, ...]:
        """The files that are not as they should be."""
        return tuple(
            file
            for file in self.files
            if file.state in ("differs", "missing")
            or (file.state == "extra" and ".safetensors" in file.name)
        )

    @property
    def verdict(self) -> str:
        """What was found, in a sentence, with what to do."""
        if not self.wrong:
            count = sum(file.state == "same" for file in self.files)
            return f"All {count} files are as they were written."
        named = "; ".join(f"{file.name} is {WORDS[file.state]}" for file in self.wrong[:5])
        more = f"; and {len(self.wrong) - 5} more" if len(self.wrong) > 5 else ""
        return f"{named}{more}. Copy or download these files again, or merge again by recipe.yaml."

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        files = [
            {"name": f.name, "state": f.state, "listed": f.listed, "found": f.found}
            for f in self.files
        ]
        return {
            "path": self.path, "is_well": self.is_well, "verdict": self.verdict, "files": files,
        }  # fmt: skip


def verify(
    folder: Path, *, report: Report | None = None, cancel: Event | None = None
) -> Verification:
    """Compare the files of a saved merge with the checksums in its model card.

    Args:
        folder: The merged model.
        report: Told of bytes read.
        cancel: Stops the reading.

    Raises:
        SourceError: there is no card, or it lists no checksums.
    """
    listed = _listed(folder)
    there = {path.name: path for path in folder.iterdir() if path.is_file()}
    done, total = 0, sum(size for size, _ in listed.values())
    found: list[FileState] = []
    for name, (size, sum_) in listed.items():
        found.append(_compare(name, there.get(name), size, sum_, cancel))
        done += size
        if report is not None:
            report(Progress(done, total, "bytes", name))
    extra = sorted(set(there) - set(listed) - {CARD})
    found += [FileState(name, "extra", "", "") for name in extra]
    return Verification(str(folder), tuple(found))


def _listed(folder: Path) -> dict[str, tuple[int, str]]:
    path = folder / CARD
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise SourceError(f"{path} is larger than {MAX_CARD_BYTES:,} bytes.", "Is it a card?")
        listed = read_checksums(path.read_text("utf-8", errors="replace"))
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.",
            inner_models(folder) or "Give the folder of a merge.",
        ) from error
    if not listed:
        raise SourceError(
            f"{path} lists no checksums.",
            "Merge again by its recipe.yaml: cards of now list them.",
        )
    return listed


def _compare(
    name: str, path: Path | None, size: int, listed: str, cancel: Event | None
) -> FileState:
    if path is None:
        return FileState(name, "missing", listed, "")
    if path.stat().st_size != size:
        return FileState(name, "differs", listed, "")
    found = checksum(path, listed.partition(":")[0], cancel)
    return FileState(name, "same" if found == listed else "differs", listed, found)

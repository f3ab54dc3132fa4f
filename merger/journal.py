"""Remember which blocks of a merge are on disk, so that a killed merge can go on."""

import json
from contextlib import suppress
from pathlib import Path

NAME = ".blocks.journal"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Journal:
    """The finished blocks of one merge, a line each, valid for the same merge only.

    Written data is safe from a killed process but not from a power cut, so a journal of another
    boot is not believed.

    Args:
        folder: The working folder of the merge.
        identity: What must be equal for the blocks to be of use.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.path = folder / NAME
        head = json.dumps({"boot": _boot(), "identity": identity}) + "\n"
        self.done: set[int] = self._read(head)
        self._file = self.path.open("a" if self.done else "w", encoding="ascii", newline="\n")
        if not self.done:
            self._file.write(head)
            self._file.flush()

    def add(self, block: int) -> None:
        """Note that a block has been written in full."""
        self._file.write(f"{block}\n")
        self._file.flush()

    def close(self) -> None:
        """Stop writing; the file stays."""
        # Closing flushes, which a full disk refuses; every line was flushed when it was added.
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Forget everything, as the merge is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _read(self, head: str) -> set[int]:
        try:
            text = self.path.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return set()
        if not text.startswith(head):
            return set()
        # A kill may have cut the last line; a cut number would name a block that is not there.
        whole, _, cut = text.rpartition("\n")
        if cut:
            self.path.write_text(whole + "\n", "ascii", newline="\n")
        lines = whole.splitlines()[1:]
        return {int(line) for line in lines if line.isdigit()}


def _boot() -> str:
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return "unknown"

"""What somebody should know about a configuration: traps, and what differs here."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from merger.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know; the shape is that of `doctor`'s problems.

    Args:
        severity: "trap" where mergekit goes on in silence with something else than what was
            written, "note" where the two programs differ.
        what: What is the matter.
        where: Which part of the configuration.
        remedy: What to do about it; may be empty.
    """

    severity: Literal["trap", "note"]
    what: str
    where: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class Findings:
    """A list that is filled while a configuration is read; each thing is told once."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def trap(self, what: str, where: str, remedy: str = "") -> None:
        """Add something that mergekit passes over."""
        self._add(Finding("trap", what, where, remedy))

    def note(self, what: str, where: str, remedy: str = "") -> None:
        """Add something that differs here."""
        self._add(Finding("note", what, where, remedy))

    def unknown(self, key: object, where: str, known: Iterable[str]) -> None:
        """Add a key that mergekit ignores."""
        shown = str(key)[:60]
        self.trap(f"mergekit ignores {shown!r}.", where, did_you_mean(shown, known))

    def _add(self, finding: Finding) -> None:
        if finding not in self.all:
            self.all.append(finding)

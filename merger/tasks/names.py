"""What a task is called: `KIND:WHAT?option=value&…`, taken apart and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType
from urllib.parse import unquote

from merger.errors import TaskError, did_you_mean

# Which options each kind of task takes.
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("text", "window", "name"),
        "perplexity": ("text", "window", "name"),
        "classify": ("text", "label", "prompt", "most", "name"),
        "images": ("most", "name"),
        "lm-eval": ("metric", "shots", "docs", "most", "chat", "system", "turns"),
    }
)
NUMBERS = {"window": 2, "most": 2, "shots": 0}  # the least that each may be


@dataclass(frozen=True, slots=True)
class TaskName:
    """A task as somebody names it.

    Args:
        kind: One of KINDS.
        what: A file, a folder, or a name of lm-eval.
        options: What stands after the question mark, decoded.
    """

    kind: str
    what: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The name in scores: the kind, and the file's name without its ending."""
        return f"{self.kind}:{self.title}"

    @property
    def title(self) -> str:
        """The name on screen."""
        given = self.options.get("name")
        if given:
            return given
        return self.what if self.kind == "lm-eval" else PurePath(self.what).stem

    def number(self, option: str, default: int) -> int:
        """Return an option that is a whole number."""
        text = self.options.get(option)
        return default if text is None else int(text)


def parse_name(text: str) -> TaskName | None:
    """Take a task's name apart; None where it begins with no kind.

    `%` codes in values are decoded, so that `&` can be written `%26` and a line break `%0A`.

    Raises:
        TaskError: an option that this kind does not take, or a value that it cannot have.

    Example:
        >>> parse_name("classify:reviews.csv?text=review&label=stars").options["label"]
        'stars'
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS or not rest:
        return None
    what, mark, query = rest.rpartition("?")
    # A file may have a question mark in its name; options always have an equals sign.
    if not mark or "=" not in query:
        return TaskName(kind, rest)
    options: dict[str, str] = {}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key not in KINDS[kind]:
            raise TaskError(
                f"{kind}: {key[:80]!r} is not an option of such a task.",
                did_you_mean(key, KINDS[kind]),
            )
        options[key] = unquote(value)
        _check(kind, key, options[key])
    return TaskName(kind, what, MappingProxyType(options))


def _check(kind: str, key: str, value: str) -> None:
    if not value:
        raise TaskError(
            f"{kind}: {key} must not be empty.", f"Write {key}=VALUE, or leave it out."
        )
    if key not in NUMBERS:
        return
    if not (value.isascii() and value.isdigit() and len(value) < 10) or int(value) < NUMBERS[key]:
        raise TaskError(
            f"{kind}: {key} must be a whole number from {NUMBERS[key]} up, got {value[:80]!r}.",
            f"Write, say, {key}={max(NUMBERS[key], 512)}.",
        )

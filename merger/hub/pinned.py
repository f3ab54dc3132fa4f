"""From what somebody types to a repository at one commit, so that it means the same tomorrow."""

import re
from dataclasses import dataclass, replace

from merger.errors import SourceError
from merger.header import shown
from merger.hub.asking import Unreachable, Wish, look_up
from merger.hub.needed import ADAPTER, index_in
from merger.layout import SINGLE

REPOSITORY = r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?"
NAME = re.compile(rf"(?P<name>{REPOSITORY})(?:@(?P<revision>[\w./-]+))?", re.ASCII)
PAGE = re.compile(
    rf"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<name>{REPOSITORY})"
    r"(?:/(?:tree|blob|commit|resolve)/(?P<revision>[\w.-]+)(?:/.*)?)?/?(?:[?#].*)?",
    re.ASCII,
)
PINNED = re.compile(rf"(?P<kind>lora:)?hub:(?P<name>{REPOSITORY})@(?P<commit>[0-9a-f]{{40}})")
MOST = 200


@dataclass(frozen=True, slots=True)
class Pinned:
    """A repository at one commit.

    Args:
        name: Such as org/name.
        commit: 40 hexadecimal digits.
        is_adapter: Whether it holds an adapter rather than a model.
    """

    name: str
    commit: str
    is_adapter: bool = False

    @property
    def source(self) -> str:
        """How a recipe names it."""
        return f"{'lora:' if self.is_adapter else ''}hub:{self.key}"

    @property
    def key(self) -> str:
        """Names the repository and its commit."""
        return f"{self.name}@{self.commit}"

    @classmethod
    def of_source(cls, source: str) -> "Pinned | None":
        """Return what a source names; None without a commit, or where it is not of the hub."""
        hit = PINNED.fullmatch(source)
        if hit is None or ".." in hit["name"]:
            return None
        return cls(hit["name"], hit["commit"], bool(hit["kind"]))


def read_name(text: str) -> tuple[str, str | None]:
    """Return the repository and the revision that somebody typed or pasted.

    Example:
        >>> read_name("org/name@v2"), read_name("https://huggingface.co/org/name/tree/main")
        (('org/name', 'v2'), ('org/name', 'main'))

    Raises:
        SourceError: It names no model of the hub.
    """
    plain = text.strip()
    for start in ("lora:", "hub:"):
        plain = plain.removeprefix(start)
    hit = (NAME.fullmatch(plain) or PAGE.fullmatch(plain)) if len(plain) <= MOST else None
    if hit is None or ".." in plain or hit["name"].partition("/")[0] in ("datasets", "spaces"):
        raise SourceError(
            f"{shown(text.strip())!r} is no model of the hub.",
            "Write organisation/name, with @revision if you like, or paste its page's address.",
        )
    return hit["name"], hit["revision"]


def pin(wish: Wish) -> Pinned:
    """Ask the hub which commit a wish means, and whether it is a model or an adapter.

    Raises:
        SourceError: There is no such thing for this asker, or the hub does not answer.
    """
    try:
        commit, sizes = look_up(wish)
    except Unreachable as gone:
        raise gone.error from gone
    whole = SINGLE in sizes or index_in(sizes) is not None
    return Pinned(wish.name, commit, set(ADAPTER) <= set(sizes) and not whole)


def at_commit(wish: Wish, pinned: Pinned) -> Wish:
    """Return a wish for the very commit that was found."""
    return replace(wish, revision=pinned.commit, is_adapter=pinned.is_adapter)

"""What a visitor of the app may open: the zoo, the models folders, and the hub when allowed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from merger.errors import SourceError
from merger.header import shown
from merger.hub.access import Secret
from merger.sources._steps import folder_at

ZOO_NAME = re.compile(r"zoo:[A-Za-z0-9][A-Za-z0-9._-]*(@[0-9]{1,12})?")
HUB_NAME = re.compile(r"hub:[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?", re.ASCII)
WHAT_IS_OPEN = "Pick a model from the list: zoo:NAME, or a folder given with --models."


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What a visitor may open besides the zoo.

    Args:
        folders: The folders given with --models.
        hub: Whether models of the hub may be named too.
        token: The visitor's own token for the hub, of this one request; the host's is never used.
        granted: Repositories of the hub, "org/name@commit", of which the hub has just said that
            this visitor may read them; they are opened from the cache, and from nowhere else.
    """

    folders: tuple[Path, ...] = ()
    hub: bool = False
    token: Secret | None = None
    granted: tuple[str, ...] = ()

    @classmethod
    def of(cls, roots: "SourceRules | Sequence[Path] | None") -> "SourceRules | None":
        """Return rules from rules, from plain folders, or None where everything is open."""
        if roots is None or isinstance(roots, cls):
            return roots
        return cls(tuple(Path(root) for root in roots))  # type: ignore[union-attr]


def resolve_visitor_source(text: str, roots: SourceRules | Sequence[Path]) -> str:
    """Return the source that a visitor's text means, or refuse it.

    Args:
        text: `zoo:NAME`, `file:NAME` or `NAME` of a model under a models folder, `lora:NAME` of
            an adapter there, or `hub:org/name` where that is allowed.
        roots: What a visitor may open.

    Raises:
        SourceError: It is none of these, or it leads out of its folder.
    """
    rules = SourceRules.of(roots) or SourceRules()
    if ZOO_NAME.fullmatch(text):
        return text
    if is_hub(text) and text.removeprefix("lora:").removeprefix("hub:") in rules.granted:
        return text
    if is_hub(text):
        if rules.hub and HUB_NAME.fullmatch(text.removeprefix("lora:")) and ".." not in text:
            return text
        raise _refused(text, "Models of the hub are switched off here." if not rules.hub else "")
    scheme = "lora" if text.startswith("lora:") else "file"
    name = text.removeprefix(f"{scheme}:")
    parts = PurePosixPath(name).parts
    plain = name.isprintable() and name == "/".join(parts) and "\\" not in name
    if not parts or not plain or ":" in name or any(p.startswith((".", "/", "~")) for p in parts):
        raise _refused(text)
    for root in rules.folders:
        if not (root / name).is_dir():
            continue
        adapter = (folder_at(root / name, None, name) / "adapter_config.json").is_file()
        if adapter or scheme == "file":
            return f"{scheme}:{_inside(root / name, rules, text)}"
    raise _refused(text)


def is_hub(source: str) -> bool:
    """Return whether a source names a repository of the hub."""
    return source.startswith(("hub:", "lora:hub:"))


def _inside(folder: Path, rules: SourceRules, text: str) -> Path:
    """Return the real folder once it and all its files are known to lie under the roots."""
    roots = [root.resolve() for root in rules.folders]
    for path in (folder, *folder.iterdir(), *folder.glob("checkpoint-*/*")):
        real = path.resolve()
        if not any(real.is_relative_to(root) for root in roots):
            raise _refused(text)
    return folder.resolve()


def _refused(text: str, why: str = "") -> SourceError:
    return SourceError(
        f"{shown(text)!r} is not a model that this app may open.", why or WHAT_IS_OPEN
    )

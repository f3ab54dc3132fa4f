"""Where models come from: one scheme a file, `zoo:NAME`, `file:DIR`, `hub:org/name` and so on.

A scheme is a module in this folder with a function `open_here(rest, opening) -> Checkpoint`;
the part of the source before the colon is the name of the module.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from threading import Event

from merger.checkpoint import Checkpoint
from merger.errors import SourceError, did_you_mean
from merger.header import shown
from merger.hub.access import OWN, Access
from merger.layers import is_layers
from merger.progress import Report
from merger.sources._folders import ModelFolder, list_models, named_bases
from merger.sources._steps import NO_STEPS, SourceSteps
from merger.sources._visitor import SourceRules, is_hub, resolve_visitor_source

__all__ = [
    "SCHEMES",
    "ModelFolder",
    "Opening",
    "SourceRules",
    "SourceSteps",
    "is_hub",
    "list_models",
    "named_bases",
    "open_source",
    "resolve_visitor_source",
    "source_steps",
    "split_source",
]

SCHEMES = tuple(sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_")))
# Deep enough for any honest nesting; a recipe that names itself must end in words, not a crash.
MAX_NESTING = 8


@dataclass(frozen=True, slots=True)
class Opening:
    """How a source is to be opened.

    Args:
        step: Which training step of it; None is its final checkpoint.
        base_dir: Folder that relative paths start from; None is the current one.
        roots: What a visitor may open; None where the command line asks.
        nesting: How many recipes this one is inside of.
        base: What adapters are put on; None where only their own config says.
        report: Told of bytes that are fetched.
        cancel: Stops what is fetched.
        headers_only: Whether weights of the hub are left there, and only their headers read.
    """

    step: int | None = None
    base_dir: Path | None = None
    roots: SourceRules | None = None
    nesting: int = 0
    base: Checkpoint | None = None
    report: Report | None = None
    cancel: Event | None = None
    headers_only: bool = False

    @property
    def access(self) -> Access:
        """Whose rights count where the hub is asked."""
        return OWN if self.roots is None else Access(self.roots.token, is_visitor=True)

    def path(self, text: str) -> Path:
        """Return the path that a text means here."""
        path = Path(text).expanduser()
        path = path if self.base_dir is None else self.base_dir / path
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            pass  # whoever asks says what must be there
        except OSError as error:
            raise SourceError(
                f"{shown(str(path))} cannot be read: {error.strerror or error}.",
                "Check the path and its rights.",
            ) from error
        return path

    def refuse_step(self, source: str) -> None:
        """Raise when a step was asked of a source that has only one checkpoint."""
        if self.step is not None:
            raise SourceError(
                f"{shown(source)} holds one checkpoint, so step {self.step} picks nothing.",
                "Leave the step out, or name the folder of that checkpoint.",
            )


def open_source(
    source: str,
    step: int | None = None,
    *,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
    nesting: int = 0,
    base: Checkpoint | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    headers_only: bool = False,
) -> Checkpoint:
    """Open a model by its source; only headers are read.

    Args:
        source: Such as `zoo:mnist@400`, `file:models/a`, a plain path, `lora:adapters/b`.
        step: Which training step of it; None is its final checkpoint.
        base_dir: Folder that relative paths start from; None is the current one.
        roots: What a visitor may open; None opens everything the process may read.
        nesting: How many recipes this source is inside of.
        base: The recipe's base, which adapters are put on.
        report: Told of bytes that have to be fetched first.
        cancel: Stops what is fetched.
        headers_only: Whether weights of the hub are left there; nothing can be merged then.

    Raises:
        SourceError: The model cannot be found, opened or trusted.
    """
    if nesting > MAX_NESTING:
        raise SourceError(
            f"Recipes are nested more than {MAX_NESTING} deep at {shown(source)}.",
            "Does a recipe contain itself? Merge the inner ones first.",
        )
    rules = SourceRules.of(roots)
    # Layers list sources of their own, each of which is judged when it is opened.
    if rules is not None and not is_layers(source):
        source = resolve_visitor_source(source, rules)
    scheme, rest = split_source(source)
    opening = Opening(step, base_dir, rules, nesting, base, report, cancel, headers_only)
    if scheme == "zoo":
        rest, opening = _take_step(source, rest, opening)
    return import_module(f"{__name__}.{scheme}").open_here(rest, opening)


def source_steps(
    source: str,
    *,
    base_dir: Path | None = None,
    roots: SourceRules | Sequence[Path] | None = None,
) -> SourceSteps:
    """Return the training steps that a source keeps; none where its scheme knows of no steps.

    Args:
        source: Such as `zoo:mnist` or `file:models/a`.
        base_dir: Folder that relative paths start from; None is the current one.
        roots: What a visitor may open; None opens everything the process may read.
    """
    rules = SourceRules.of(roots)
    if rules is not None:
        source = resolve_visitor_source(source, rules)
    scheme, rest = split_source(source)
    look = getattr(import_module(f"{__name__}.{scheme}"), "steps_here", None)
    return NO_STEPS if look is None else look(rest, Opening(base_dir=base_dir, roots=rules))


def split_source(source: str) -> tuple[str, str]:
    """Return the scheme of a source and what follows it; a plain path is a `file`."""
    if not source.strip() or not source.isprintable():
        raise SourceError(
            f"A source must be a printable text, got {ascii(source)[:120]}.",
            "Use zoo:NAME, file:DIR or hub:org/name.",
        )
    scheme, colon, rest = source.partition(":")
    if colon and scheme in SCHEMES:
        return scheme, rest
    # A single letter before the colon is a Windows drive.
    if found := re.match(
        r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+)", source
    ):
        raise SourceError(f"{shown(source)} is an address.", f"Write hub:{found[1]}.")
    if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+-]+", scheme) and not Path(source).exists():
        raise SourceError(
            f"{shown(source)} has the unknown scheme {scheme!r}.", did_you_mean(scheme, SCHEMES)
        )
    return "file", source


def _take_step(source: str, rest: str, opening: Opening) -> tuple[str, Opening]:
    name, at, text = rest.partition("@")
    if not at:
        return rest, opening
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise SourceError(
            f"{shown(source)}: the step after @ must be a whole number.",
            "Example: zoo:mnist@400.",
        )
    if opening.step not in (None, int(text)):
        raise SourceError(
            f"{shown(source)} names step {int(text)}, and step {opening.step} is asked for.",
            "Give the step once.",
        )
    return name, replace(opening, step=int(text))

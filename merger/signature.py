"""Read a method's signature: feeds left of `*`, settings right of it, what comes out."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from merger.knobs import Knob, Param

NUMBERS = (float, int)


@dataclass(frozen=True, slots=True)
class Feed:
    """Something the engine hands to a method.

    Args:
        name: How the engine knows it.
        needs: What must be there first, in words a user understands.
        surveyed: Whether it takes a pass over the inputs before the merge.
    """

    name: str
    needs: tuple[str, ...] = ()
    surveyed: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What a method returns, which decides what the engine does next."""

    name: str


@dataclass(frozen=True, slots=True)
class Of:
    """What a surveyed feed is about.

    Args:
        knob: The setting that decides it, such as the share to keep.
        scope: "global", "tensor", "row", or the name of a setting with one of these values.
        on: A function with feeds and settings of the same method; the survey looks at what it
            returns instead of the task vectors.
        when: Whether these settings need the feed at all; None is fed where they do not.
        places: For ordered values: which places of the ascending order, from the settings and the
            number of entries.
        nonzero: Whether a share counts only entries that are not 0, of what a slow `on` gives.
    """

    knob: str = ""
    scope: str = "tensor"
    on: Callable[..., Any] | None = None
    when: Callable[[Mapping[str, Any]], bool] | None = None
    places: Callable[[Mapping[str, Any], int], tuple[int, ...]] | None = None
    nonzero: bool = False

    def scope_at(self, knobs: Mapping[str, Any]) -> str:
        """Return "global", "tensor" or "row" at these settings."""
        return str(knobs.get(self.scope, self.scope))

    def wanted_at(self, knobs: Mapping[str, Any]) -> bool:
        """Return whether these settings need the feed."""
        return self.when is None or self.when(knobs)


class FeedUse(NamedTuple):
    """One argument left of `*`: its name, the feed, and what a surveyed feed is about."""

    name: str
    feed: Feed
    of: Of


class Signature(NamedTuple):
    """A function as the grammar reads it."""

    fn: Callable[..., Any]
    feeds: tuple[FeedUse, ...]
    params: tuple[Param, ...]
    output: str


def read_signature(fn: Callable[..., Any]) -> Signature:
    """Read feeds, settings and output of a function.

    Raises:
        TypeError: the signature breaks a rule of the grammar.
    """
    hints = typing.get_type_hints(fn, include_extras=True)
    helps = argument_help(fn)
    feeds: list[FeedUse] = []
    params: list[Param] = []
    for arg in inspect.signature(fn).parameters.values():
        if arg.name not in hints:
            raise TypeError(f"{_name(fn)}: {arg.name!r} needs a type.")
        if arg.kind in (arg.VAR_POSITIONAL, arg.VAR_KEYWORD):
            raise TypeError(f"{_name(fn)}: {arg.name!r} must be a single argument.")
        if arg.kind is arg.KEYWORD_ONLY:
            param = _read_param(fn, arg, hints[arg.name])
            text = param.knob.help or helps.get(arg.name, "")
            params.append(replace(param, help=text))
        else:
            feeds.append(_read_feed(fn, arg.name, hints[arg.name]))
    return Signature(fn, tuple(feeds), tuple(params), _read_output(fn, hints.get("return")))


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__name__", repr(fn))


def _metadata(hint: Any, kind: type) -> Any:
    return next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, kind)), None)


def _read_feed(fn: Callable[..., Any], name: str, hint: Any) -> FeedUse:
    feed = _metadata(hint, Feed)
    if feed is None:
        raise TypeError(f"{_name(fn)}: {name!r} left of * must be a feed such as Deltas.")
    return FeedUse(name, feed, _metadata(hint, Of) or Of())


def _read_param(fn: Callable[..., Any], arg: inspect.Parameter, hint: Any) -> Param:
    where = f"{_name(fn)}: {arg.name!r}"
    if _metadata(hint, Feed) is not None:
        raise TypeError(f"{where} is a feed and must stand left of *.")
    if arg.default is arg.empty:
        raise TypeError(f"{where} is a setting and needs a default.")
    knob = _metadata(hint, Knob) or Knob()
    kind, optional = _bare_type(hint)
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    if choices and not all(isinstance(c, str) for c in choices):
        raise TypeError(f"{where} must be a Literal of strings.")
    if not choices and kind not in (float, int, bool):
        raise TypeError(f"{where} must be float, int, bool or Literal[...], got {kind}.")
    param = Param(arg.name, str if choices else kind, arg.default, knob, choices, optional)
    return replace(param, default=_checked_default(param, where))


def _checked_default(param: Param, where: str) -> Any:
    try:
        return param.check(param.default, "default")
    except Exception as error:
        raise TypeError(f"{where} has a default that it would refuse: {error}") from error


def _bare_type(hint: Any) -> tuple[Any, bool]:
    """Return the type without its annotations, and whether None is allowed."""
    optional = False
    # None may stand inside or outside Annotated, and both may be nested.
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
            rest = [a for a in typing.get_args(hint) if a is not type(None)]
            if len(rest) != 1 or len(rest) == len(typing.get_args(hint)):
                return hint, optional
            hint, optional = rest[0], True
        else:
            return hint, optional


def _read_output(fn: Callable[..., Any], hint: Any) -> str:
    output = _metadata(hint, Output)
    if output is not None:
        return output.name
    feed = _metadata(hint, Feed)
    if feed is not None and feed.name == "deltas":
        return "deltas"
    raise TypeError(f"{_name(fn)} must say what it returns: Delta, Weight, PerTask or Deltas.")


def argument_help(fn: Callable[..., Any]) -> dict[str, str]:
    """Return what the docstring's Args section says about each argument.

    Example:
        >>> def f(a): "One.\\n\\nArgs:\\n    a: The first.\\n"
        >>> argument_help(f)
        {'a': 'The first.'}
    """
    doc = inspect.getdoc(fn) or ""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", doc, re.MULTILINE)
    found: dict[str, str] = {}
    name = ""
    for line in (section.group(1) if section else "").splitlines():
        entry = re.match(r"^ {4}(\w+): (.*)$", line)
        if entry:
            name = entry.group(1)
            found[name] = entry.group(2).strip()
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found


def summary_of(fn: Callable[..., Any]) -> str:
    """Return the first line of the docstring."""
    return (inspect.getdoc(fn) or "").split("\n", 1)[0].strip()


def formula_of(fn: Callable[..., Any]) -> str:
    """Return the docstring's second paragraph: the formula in the paper's symbols."""
    parts = (inspect.getdoc(fn) or "").split("\n\n")
    if len(parts) < 2 or re.match(r"(Args|Returns|Raises|Example|Reference):", parts[1]):
        return ""
    return parts[1].strip()

"""Everything a user can be told went wrong.

MergeError             base of all; caught once by the command line, once by the screens
├── RecipeError        the recipe: unknown method or parameter, value out of bounds, bad YAML
├── SourceError        a model that cannot be found, opened or trusted
├── AlignmentError     experts that do not fit the base or each other
├── FeedError          a method needs what is not there: a base, data, finite numbers
├── TaskError          a score that cannot be computed
├── OutputError        a target that cannot be written, or that exists already
├── JobError           a background job that is unknown, foreign, or died
└── Cancelled          somebody asked to stop; nothing is wrong
"""

import difflib
from collections.abc import Iterable


class MergeError(Exception):
    """A problem the user can act on.

    Args:
        message: Which thing, what it must be, what it got.
        hint: What to do about it; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["MergeError"], tuple[str, str]]:
        # Jobs run in other processes; the default reduction would lose the hint.
        return type(self), (self.message, self.hint)

    def to_json(self) -> dict[str, dict[str, str]]:
        """Return the one error shape that the command line and the endpoints use."""
        return {
            "error": {
                "type": type(self).__name__,
                "message": self.message,
                "hint": self.hint,
            }
        }


class RecipeError(MergeError):
    """The recipe is not valid."""


class SourceError(MergeError):
    """A model cannot be found, opened or trusted."""


class AlignmentError(MergeError):
    """Experts do not fit the base or each other."""


class FeedError(MergeError):
    """A method needs something that is not there."""


class TaskError(MergeError):
    """A score cannot be computed."""


class OutputError(MergeError):
    """A target cannot be written."""


class JobError(MergeError):
    """A background job is unknown, belongs to somebody else, or died."""


class Cancelled(MergeError):
    """Somebody asked to stop."""


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists what there is.

    Example:
        >>> did_you_mean("densty", ["density", "scale"])
        "Did you mean 'density'?"
    """
    choices = sorted(known)
    near = difflib.get_close_matches(got, choices, 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    shown = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    return f"Known are: {shown}." if choices else ""

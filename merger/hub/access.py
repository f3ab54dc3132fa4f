"""With whose rights the hub is asked: the user's own on the command line, a visitor's in the app.

The command line uses the token of the environment or of `hf auth login`. A visitor's request
carries that visitor's token, or none, and never the host's: else anybody could read what the host
may. The cache on disk is shared by all, so the hub is asked at every opening whether this visitor
may read this repository, whatever lies in the cache.
"""

from dataclasses import dataclass
from typing import NoReturn


class Secret:
    """A token that is shown nowhere: not printed, not logged, not sent to another process.

    No two are equal, so that what is remembered for one visitor is never found for another.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the token itself, for the one request that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A token is neither kept nor sent to another process.")


@dataclass(frozen=True, slots=True)
class Access:
    """Whose rights count.

    Args:
        token: The visitor's token, if any.
        is_visitor: Whether this is a visitor of the app; else it is the user's own machine.
    """

    token: Secret | None = None
    is_visitor: bool = False

    def for_hub(self) -> str | bool | None:
        """Return what huggingface_hub takes: a token, False for none, None for the user's own."""
        if self.token is not None:
            return self.token.reveal()
        return False if self.is_visitor else None


OWN = Access()


def own_token() -> Secret | None:
    """Return this machine's own token: that of the environment or of `hf auth login`."""
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import get_token  # noqa: PLC0415

    found = get_token()
    return None if found is None else Secret(found)

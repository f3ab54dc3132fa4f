"""Say in words what the hub refused, and tell what may be tried again from what may not."""

import errno
import re

from merger.errors import MergeError, SourceError
from merger.header import shown
from merger.hub.access import Access

TRANSIENT_CODES = (408, 429)
SNAPSHOT = re.compile(
    r"\S*[/\\]models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)[/\\]snapshots[/\\][0-9a-f]{40}",
    re.ASCII,
)


def without_cache(text: str) -> str:
    """Return a message that names repositories, and not where on this machine their files lie.

    Example:
        >>> commit = "0123456789" * 4
        >>> without_cache(f"/hub/models--org--name/snapshots/{commit}/config.json is empty.")
        'hub:org/name/config.json is empty.'
    """
    return SNAPSHOT.sub(r"hub:\g<owner>/\g<name>", text)


def is_transient(error: BaseException) -> bool:
    """Return whether an error may go away by itself: a lost connection, a server in trouble."""
    # Imported here because it takes half a second and most merges never need it.
    from httpx2 import TransportError  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        LocalEntryNotFoundError,  # noqa: PLC0415
        OfflineModeIsEnabled,
    )

    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, LocalEntryNotFoundError):
        # What huggingface_hub makes of any trouble with its first question about a file.
        return error.__cause__ is None or is_transient(error.__cause__)
    if isinstance(error, HfHubHTTPError):
        code = error.response.status_code
        return code >= 500 or code in TRANSIENT_CODES
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT)
    # Consistency checks end in a plain OSError, transfers of large files in a RuntimeError.
    return isinstance(error, TransportError | OSError | RuntimeError)


def in_words(error: Exception, name: str, revision: str | None, access: Access) -> MergeError:
    """Return what to tell a user about an error while a repository is read."""
    from huggingface_hub.errors import (  # noqa: PLC0415  (as above)
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    sign_in = "Sign in" if access.is_visitor else "Set HF_TOKEN or run hf auth login"
    code = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, HFValidationError):
        return SourceError(f"hub:{name} is not a valid name: {shown(str(error))}.")
    if isinstance(error, GatedRepoError):
        return SourceError(
            f"hub:{name} is gated: its authors decide who may read it.",
            f"Ask for access on its page. {sign_in} with the account that has it.",
        )
    if isinstance(error, RevisionNotFoundError):
        return SourceError(
            f"hub:{name} has no revision {shown(revision or 'main')}.",
            "Use one of its branches, tags or commits.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return SourceError(
            f"hub:{name} does not exist, or is private.",
            f"Check the name. If it is private: {_small(sign_in)}.",
        )
    if isinstance(error, RemoteEntryNotFoundError):
        return SourceError(
            f"hub:{name} lists a file that it does not have.", "Try again: it may have changed."
        )
    if code == 401:
        return SourceError(
            f"hub:{name}: the hub does not accept the token.", f"{sign_in} with a valid one."
        )
    if code == 403:
        return SourceError(
            f"hub:{name}: this token may not read it.",
            f"{sign_in} with a token that may read this repository.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SourceError(
            f"hub:{name} cannot be fetched: the disk of the cache is full.",
            "Free some space, or set HF_HOME to a folder of another disk.",
        )
    return SourceError(
        f"hub:{name} cannot be fetched: {reason(error)}",
        "Check the connection, and try again: files that are complete are kept.",
    )


def reason(error: BaseException) -> str:
    """Return the first line of an error, or of what caused it, for a message."""
    if error.__cause__ is not None and not str(error.__cause__).startswith("Client error"):
        error = error.__cause__
    first = shown(str(error).strip().partition("\n")[0])
    return first.rstrip(".") + "." if first else f"{type(error).__name__}."


def _small(text: str) -> str:
    return text[0].lower() + text[1:]

"""Ask the hub about a repository: again where that may help, and with whose rights."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from merger.errors import MergeError, SourceError
from merger.hub.access import OWN, Access
from merger.hub.words import in_words, is_transient
from merger.progress import Report, check_cancel

T = TypeVar("T")
# Seconds to wait before each further attempt.
PAUSES = (1.0, 2.0, 4.0)
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Which repository, and how it is to be fetched.

    Args:
        name: Such as org/name.
        revision: A branch, tag or commit; None is the main branch.
        is_adapter: Whether its adapter is wanted rather than a model.
        access: Whose rights count.
        report: Told of bytes fetched.
        cancel: Stops it.
    """

    name: str
    revision: str | None = None
    is_adapter: bool = False
    access: Access = OWN
    report: Report | None = None
    cancel: threading.Event | None = None


class Unreachable(Exception):
    """The hub could not be reached in several attempts; `error` says it in words."""

    def __init__(self, error: MergeError) -> None:
        super().__init__(error.message)
        self.error = error


def attempts(wish: Wish, call: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Return what a call returns, tried again after a while where that may help."""
    for pause in (*PAUSES, None):
        check_cancel(wish.cancel)
        try:
            return call()
        except MergeError:
            raise
        except Exception as error:
            said = in_words(error, wish.name, wish.revision, wish.access)
            if not is_transient(error):
                raise said from error
            if pause is None:
                raise (Unreachable(said) if stop is None else said) from error
        (wish.cancel or stop or threading.Event()).wait(pause)
    raise AssertionError("the last attempt returns or raises")


def look_up(wish: Wish) -> tuple[str, Mapping[str, int]]:
    """Return the commit that a revision means, and its files with their sizes.

    A visitor's rights are asked about too.

    Raises:
        SourceError: There is no such thing for this asker.
        Unreachable: The hub does not answer.
    """
    return attempts(wish, lambda: _look_up(wish))


def _look_up(wish: Wish) -> tuple[str, Mapping[str, int]]:
    # Imported here because it takes half a second and most merges never need it.
    from huggingface_hub import HfApi, constants  # noqa: PLC0415

    api = HfApi(endpoint=constants.ENDPOINT, token=wish.access.for_hub())
    info = api.model_info(
        wish.name, revision=wish.revision, files_metadata=True, timeout=ANSWER_SECONDS
    )
    if wish.access.is_visitor:
        _check_rights(wish)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    if info.sha is None:
        raise SourceError(f"hub:{wish.name}: the hub does not say which commit this is.")
    return info.sha, sizes


def check_rights(name: str, access: Access) -> None:
    """Ask the hub whether somebody may read a repository.

    Raises:
        SourceError: They may not, or the hub does not answer.
    """
    wish = Wish(name, access=access)
    try:
        attempts(wish, lambda: _check_rights(wish))
    except Unreachable as gone:
        raise gone.error from gone


def _check_rights(wish: Wish) -> None:
    """Raise where the hub would not let the asker read: all may see a gated repository's list."""
    from huggingface_hub import constants  # noqa: PLC0415  (as above)
    from huggingface_hub.utils import (  # noqa: PLC0415
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    # As HfApi.auth_check, which would wait for an answer for ever.
    url = f"{constants.ENDPOINT}/api/models/{wish.name}/auth-check"
    headers = build_hf_headers(token=wish.access.for_hub())
    hf_raise_for_status(get_session().get(url, headers=headers, timeout=ANSWER_SECONDS))

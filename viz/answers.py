"""The one place where what went wrong becomes a card on the page."""

import functools
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.responses import Response

from merger.errors import Cancelled, MergeError, RecipeError
from merger.hub.words import without_cache
from viz.login import Login

MAX_BODY = 2_000_000
log = logging.getLogger("mergescope")

Handler = Callable[[Any, dict[str, Any]], dict[str, Any]]


def error_card(error: MergeError) -> dict[str, str]:
    """Return what a card shows: what, why and what to do."""
    titles = {
        "RecipeError": "This recipe does not work.",
        "SourceError": "A model cannot be opened.",
        "AlignmentError": "These models do not fit together.",
        "FeedError": "Something is missing.",
        "TaskError": "There is nothing to score.",
        "OutputError": "The result cannot be written.",
        "JobError": "The background job is not available.",
    }
    what = titles.get(type(error).__name__, "This merge does not work.")
    why, todo = without_cache(error.message), without_cache(error.hint)
    return {"kind": "error", "what": what, "why": why, "todo": todo}


def broken_card(error: Exception) -> dict[str, str]:
    """Log an error of ours and return a card that names it without showing it."""
    mark = secrets.token_hex(2)
    log.error("error %s", mark, exc_info=error)
    return {
        "kind": "error",
        "what": "Something broke on our side.",
        "why": f"It is in the log as {mark}; your recipe is kept.",
        "todo": "Undo the last change, or reload the page.",
    }


def read_body(body: Any) -> dict[str, Any]:
    """Return the mapping that the page sent; it is untrusted."""
    if not isinstance(body, str) or len(body) > MAX_BODY:
        raise RecipeError(f"A request must be text of at most {MAX_BODY:,} characters.", "Reload.")
    try:
        data = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"The page sent something unreadable: {error}.", "Reload.") from None
    if not isinstance(data, dict):
        raise RecipeError("The page sent something that is not a request.", "Reload.")
    return data


def respond(payload: Mapping[str, Any]) -> Response:
    """Return the answer as JSON; numbers that are not finite become null."""
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return Response(orjson.dumps(payload, option=options), media_type="application/json")


def answers(handler: Handler) -> Callable[..., Response]:
    """Turn a handler of requests into a server function that never raises."""

    @functools.wraps(handler)
    def call(self: Any, body: Any, login: Login | None = None) -> Response:
        seq = 0
        try:
            request = read_body(body) | {"login": login}
            seq = _seq(request)
            return respond({"seq": seq, **handler(self, request)})
        except Exception as error:  # noqa: BLE001  (this is the place where all of them end)
            return respond({"seq": seq, **_failure(error)})

    return call


def async_answers(
    handler: Callable[[Any, dict[str, Any]], Awaitable[dict[str, Any]]],
) -> Callable[..., Awaitable[Response]]:
    """Turn a handler that waits into a server function that never raises."""

    @functools.wraps(handler)
    async def call(self: Any, body: Any, login: Login | None = None) -> Response:
        try:
            return respond(await handler(self, read_body(body) | {"login": login}))
        except Exception as error:  # noqa: BLE001  (this is the place where all of them end)
            return respond(_failure(error))

    return call


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, Cancelled):
        return {"cancelled": True}
    return {"error": error_card(error) if isinstance(error, MergeError) else broken_card(error)}


def _seq(request: Mapping[str, Any]) -> int:
    seq = request.get("seq", 0)
    return seq if isinstance(seq, int) and 0 <= seq < 2**53 else 0


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number here")

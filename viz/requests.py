"""What requests of the page carry, read and checked; they are untrusted."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from merger.errors import JobError, RecipeError
from viz.login import login_from

LONGEST_VISITOR = 80
PREFIX = "ms_"  # Gradio's components have methods named load, open and so on


def plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method as a function that Gradio can mark as one the page may call.

    Gradio fills in, by their types, the request and whoever is signed in.
    """
    if asyncio.iscoroutinefunction(method):

        async def call_later(
            body: Any,
            asked: gr.Request,
            token: gr.OAuthToken | None,
            profile: gr.OAuthProfile | None,
        ) -> Any:
            return await method(body, login_from(asked, token, profile))

        call_later.__name__ = PREFIX + method.__name__
        return call_later

    def call(
        body: Any,
        asked: gr.Request,
        token: gr.OAuthToken | None,
        profile: gr.OAuthProfile | None,
    ) -> Any:
        return method(body, login_from(asked, token, profile))

    call.__name__ = PREFIX + method.__name__
    return call


def visitor_of(request: Mapping[str, Any]) -> str:
    """Return the visitor's secret; rows and jobs belong to it.

    Raises:
        RecipeError: the page sent none.
    """
    visitor = request.get("visitor")
    if not isinstance(visitor, str) or not 20 <= len(visitor) <= LONGEST_VISITOR:
        raise RecipeError("The page did not say who it is.", "Reload it.")
    return visitor


def text_of(request: Mapping[str, Any]) -> str:
    """Return the recipe text that was sent.

    Raises:
        RecipeError: the page sent none.
    """
    text = request.get("text")
    if not isinstance(text, str):
        raise RecipeError("The page sent no recipe text.", "Reload it.")
    return text


def id_of(request: Mapping[str, Any]) -> str:
    """Return the id of the job that is asked about.

    Raises:
        JobError: the page named none.
    """
    id = request.get("id")
    if not isinstance(id, str):
        raise JobError("The page named no job.", "Reload it.")
    return id


def view_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the visitor looks at: a share, a tensor, a layer."""
    return mapping_of(request.get("view"))


def visible_of(request: Mapping[str, Any]) -> list[Any]:
    """Return which panels are on screen."""
    visible = request.get("visible")
    return visible if isinstance(visible, list) else []


def mapping_of(value: object) -> dict[str, Any]:
    """Return a value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def texts_of(value: Any) -> Mapping[str, str]:
    """Return those entries of a mapping that are text."""
    return {k: v for k, v in mapping_of(value).items() if isinstance(v, str)}

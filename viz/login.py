"""Who asks: the visitor's own sign-in at the hub, of this one request; it is kept nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from merger.hub.access import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """A visitor who is signed in.

    Args:
        token: The visitor's own token for the hub.
        name: What the hub calls them.
    """

    token: Secret
    name: str


def login_from(
    asked: gr.Request | None, token: gr.OAuthToken | None, profile: gr.OAuthProfile | None
) -> Login | None:
    """Return who is signed in, as Gradio says; None for nobody.

    Args:
        asked: The request itself.
        token: The token in its session.
        profile: The profile in its session.
    """
    if token is None or _is_foreign(asked):
        return None
    return Login(Secret(token.token), "" if profile is None else profile.username)


def login_of(request: Mapping[str, Any]) -> Login | None:
    """Return who is signed in, as the server noted it; what a page sends there is overwritten."""
    login = request.get("login")
    return login if isinstance(login, Login) else None


def _is_foreign(asked: gr.Request | None) -> bool:
    """Return whether another site's page sent this, with a cookie that its browser added."""
    headers = getattr(asked, "headers", None) or {}
    return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")

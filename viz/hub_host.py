"""How a host lets visitors read the hub, and whether that is safe where the app listens."""

from dataclasses import dataclass, replace
from importlib.util import find_spec

from merger.errors import SourceError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What Gradio needs beside itself to let people sign in: `gradio[oauth]`.
PACKAGES = ("authlib", "itsdangerous")


@dataclass(frozen=True, slots=True)
class HubHost:
    """How a host lets visitors read the hub.

    Args:
        own: With this machine's own token, for an app that nobody else can reach; else with
            that of each visitor, or with none.
        login: Whether visitors can sign in here.
    """

    own: bool = False
    login: bool = False


def checked_host(hub: HubHost | None, address: str, *, on_space: bool) -> HubHost | None:
    """Return how visitors read the hub here.

    Args:
        hub: What was asked for; None switches the hub off.
        address: What the app listens on.
        on_space: Whether it is a Space, which everybody can reach.

    Raises:
        SourceError: Strangers would read with this machine's token.
    """
    if hub is None:
        return None
    if hub.own and (on_space or address not in LOOPBACK):
        raise SourceError(
            f"--hub own would let everybody who reaches {address} read what your token reads.",
            "Use --hub, with which visitors read with their own rights, or --host 127.0.0.1.",
        )
    return replace(hub, login=hub.login and all(find_spec(name) for name in PACKAGES))

"""Start the Studio: `app.py [--host H] [--port P] [--workspace DIR] [--models DIR …] [--hub]`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viz.hub_host import HubHost

OAUTH = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")


def arguments() -> argparse.Namespace:
    """Return what was asked for on the command line and in the environment."""
    parser = argparse.ArgumentParser(description="See what a merge does before you ship it.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--port", type=int, default=int(port))
    parser.add_argument("--workspace", type=Path, default=_default_workspace())
    parser.add_argument("--models", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument(
        "--hub",
        nargs="?",
        const="visitors",
        default=os.environ.get("MERGESCOPE_HUB", ""),
        choices=("", "visitors", "own"),
        help="offer models of the hub: each visitor reads with their own rights, or, with 'own' "
        "on an app that only you can reach, with your token",
    )
    return parser.parse_args()


def _hub(wish: str) -> "HubHost | None":
    from viz.hub_host import HubHost  # noqa: PLC0415  (as below)

    # A Space has these where its README says hf_oauth.
    login = all(name in os.environ for name in OAUTH)
    return HubHost(own=wish == "own", login=login) if wish else None


def _default_workspace() -> Path | None:
    data = Path("/data")  # the persistent disk of a Space
    on_space = "SPACE_ID" in os.environ and os.access(data, os.W_OK)
    return data / "mergescope" if on_space else None


def main() -> None:
    """Serve the page until it is stopped."""
    args = arguments()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Threads of torch wait for each other in a busy loop of many milliseconds: where anything else
    # runs on the machine, a full score took ten times as long. They soon sleep instead.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    # A worker process starts this module too; what follows is for the page alone.
    from viz.serve import serve  # noqa: PLC0415

    serve(
        args.host, args.port, args.workspace, args.models,
        space=os.environ.get("SPACE_ID"), hub=_hub(args.hub),
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Start the Studio: `python app.py [--host H] [--port P] [--workspace DIR] [--models DIR …]`."""

import argparse
import os
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Return what was asked for on the command line and in the environment."""
    parser = argparse.ArgumentParser(description="See what a merge does before you ship it.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--port", type=int, default=int(port))
    parser.add_argument("--workspace", type=Path, default=_default_workspace())
    parser.add_argument("--models", type=Path, nargs="*", default=[], metavar="DIR")
    return parser.parse_args()


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

    serve(args.host, args.port, args.workspace, args.models, space=os.environ.get("SPACE_ID"))


if __name__ == "__main__":
    main()

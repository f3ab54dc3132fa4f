"""`zoo list` and `zoo build`: the bundled experts."""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import add_json, add_progress, print_json, print_table, visible
from merger.cli.progress import progress_bar


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "zoo",
        help="list the bundled experts, or rebuild them",
        description="The experts that come with the program.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="list the bundled experts and their checkpoints", description=run_list.__doc__
    )
    add_json(listing)
    listing.set_defaults(run=run_list)
    building = actions.add_parser(
        "build", help="train them again from public packages", description=run_build.__doc__
    )
    building.add_argument(
        "--out", metavar="DIR", type=Path, help="write it there (default: over the bundled one)"
    )
    building.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        help="keep drawings and weights, to go on after a stop",
    )
    add_progress(building)
    building.set_defaults(run=run_build)


def run_list(args: argparse.Namespace) -> None:
    """List the bundled experts, each checkpoint with its own accuracy."""
    from merger.zoo.read import zoo_info  # noqa: PLC0415  (reads the zoo's index)

    found = zoo_info().to_json()
    if args.json:
        print_json(found)
        return
    print(f"base: {found['base']}\n")
    rows = [
        (e["source"], e["task"], str(e["step"]), f"{100 * e['accuracy']:.1f} %")
        for e in found["experts"]
    ]
    print_table(("SOURCE", "TASK", "STEP", "ACCURACY"), rows)


def run_build(args: argparse.Namespace) -> None:
    """Train the bundled experts again from public packages; takes the better part of an hour."""
    from merger.zoo.build import build_zoo  # noqa: PLC0415  (imports torch and the packages)
    from merger.zoo.places import ZOO_DIR  # noqa: PLC0415  (only where it is written)

    with progress_bar(args.progress) as report:
        path = build_zoo(args.out or ZOO_DIR, report=report, cache=args.cache)
    print(visible(str(path)))

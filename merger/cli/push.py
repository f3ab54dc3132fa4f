"""`push DIR org/name`: put a merged model on the hub, into a new repository."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merger.cli.common import (
    add_json,
    add_progress,
    print_json,
    print_table,
    visible,
    words_for_bytes,
)
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt

if TYPE_CHECKING:
    from merger.hub.publish import Publication


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "push",
        help="publish a merged model on the hub, privately unless asked otherwise",
        description="Check a merged model, and upload the files of the merge into a new "
        "repository of the hub. One that holds anything is never changed. The token is "
        "HF_TOKEN or that of hf auth login.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a merged model")
    parser.add_argument("repository", metavar="org/name", help="the repository to make")
    parser.add_argument("--public", action="store_true", help="let everybody read it")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be uploaded, and send nothing"
    )
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Publish."""
    from merger.hub.publish import plan_publication, publish  # noqa: PLC0415  (imports numpy)

    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        found = plan_publication(
            args.folder, args.repository, public=args.public, report=report, cancel=cancel
        )
        if not args.dry_run:
            found = publish(found, report=report, cancel=cancel)
    if args.json:
        print_json(found.to_json() | {"dry_run": args.dry_run})
    else:
        _show(found)


def _show(found: "Publication") -> None:
    rows = [(name, words_for_bytes(size)) for name, size in found.files]
    rows += [(name, "left out") for name in found.left_out]
    print_table(("FILE", "SIZE"), rows)
    for notice in found.notices:
        print(visible(f"note: {notice}"))
    shape = "public" if found.is_public else "private"
    license_ = visible(found.license) or "no licence stated"
    what = f"{len(found.files)} files, {words_for_bytes(found.size)}, {shape}, {license_}"
    if found.url:
        print(f"{visible(found.url)}: {what}")
    else:
        print(f"nothing was sent; {visible(found.repository)} would get {what}")

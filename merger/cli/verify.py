"""`verify DIR`: are the files of a merge those that were written?"""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import add_json, add_progress, print_json, visible
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "verify",
        help="check the files of a merged model against its model card",
        description="Compare every file of a merged model with the checksum in its model card. "
        "The exit code is 1 when one differs or is missing.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a merged model")
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify."""
    from merger.verify import verify  # noqa: PLC0415  (imports numpy)

    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        found = verify(args.folder, report=report, cancel=cancel)
    if args.json:
        print_json(found.to_json())
    else:
        print(visible(found.verdict))
    return 0 if found.is_well else 1

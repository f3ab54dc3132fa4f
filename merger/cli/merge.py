"""`merge R --out DIR`: run the real merge and write a model folder."""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import (
    add_json,
    add_progress,
    add_recipe,
    positive,
    print_json,
    read_recipe,
    size,
    stop_on_interrupt,
    visible,
    words_for_bytes,
)
from merger.cli.progress import progress_bar


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "merge",
        help="run a recipe and write the merged model",
        description="Run a recipe and write a model folder that transformers loads.",
    )
    add_recipe(parser)
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder to write")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="where to compute (default: auto)",
    )
    parser.add_argument("--threads", metavar="N", type=positive, help="processor threads to use")
    parser.add_argument("--memory", metavar="SIZE", type=size, help="memory to use, such as 4GiB")
    parser.add_argument(
        "--resume", action="store_true", help="go on where a merge that was killed stopped"
    )
    parser.add_argument("--force", action="store_true", help="replace a folder that exists")
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Merge."""
    recipe = read_recipe(args.recipe)
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.engine import merge  # noqa: PLC0415  (imports torch)

        path = merge(
            recipe,
            args.out,
            device=args.device,
            threads=args.threads,
            memory=args.memory,
            resume=args.resume,
            force=args.force,
            report=report,
            cancel=cancel,
        )
    from merger.outcome import outcome_of  # noqa: PLC0415  (only once there is one)

    outcome = outcome_of(path, recipe)
    if args.json:
        print_json(outcome)
    else:
        size_text = words_for_bytes(outcome["bytes"])
        print(f"{visible(outcome['path'])}: {len(outcome['files'])} files, {size_text}")

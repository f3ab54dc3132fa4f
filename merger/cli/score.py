"""`score R|DIR`: how good a merge or a saved model is, task by task."""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import (
    add_json,
    add_progress,
    add_recipe,
    print_json,
    print_table,
    read_recipe,
    stop_on_interrupt,
)
from merger.cli.progress import progress_bar


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "score",
        help="score a recipe or a saved model on tasks",
        description="Score a recipe, merged in memory, or the folder of a saved model.",
    )
    add_recipe(parser, "a recipe file, a model folder, or - for a recipe from input")
    parser.add_argument(
        "--tasks",
        metavar="T",
        nargs="+",
        action="extend",
        help="tasks to score, such as mnist or text:FILE (default: all that fit)",
    )
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="which examples (default: validation; keep test for the final report)",
    )
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Score."""
    is_folder = args.recipe != "-" and Path(args.recipe).is_dir()
    target = Path(args.recipe) if is_folder else read_recipe(args.recipe)
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.scoring import score  # noqa: PLC0415  (imports torch and transformers)

        found = score(target, args.tasks, args.split, report=report, cancel=cancel).to_json()
    if args.json:
        print_json(found)
        return
    rows = [
        (
            row["task"],
            row["metric"],
            f"{row['value']:.4f}",
            f"{row['low']:.4f} to {row['high']:.4f}",
            str(row["n"]),
            "" if row["normalised"] is None else f"{row['normalised']:.3f}",
        )
        for row in found["tasks"]
    ]
    print_table(("TASK", "METRIC", "SCORE", "95 % INTERVAL", "N", "OF ITS BEST"), rows)
    if found["mean"] is not None:
        print(f"\nmean {found['mean']:.4f} on {found['split']}, worst task: {found['worst']}")

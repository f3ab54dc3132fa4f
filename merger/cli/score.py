"""`score R|DIR`: how good a merge or a saved model is, task by task."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from merger.cli.common import (
    add_json,
    add_progress,
    add_recipe,
    print_json,
    print_table,
    read_recipe,
    visible,
)
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt

if TYPE_CHECKING:
    from merger.scoring import ScoreReport

ANSWERS = ("mergescope", False)  # the name of the application, and no author


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
        help="tasks to score: names such as mnist, text:FILE, perplexity:FILE, "
        "classify:FILE?text=COLUMN&label=COLUMN, images:FOLDER, lm-eval:NAME; see "
        "docs/scoring.md (default: all that fit)",
    )
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="which examples (default: validation; keep test for the final report)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="ask the model again, also what it answered before",
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

        report_of = score(
            target,
            args.tasks,
            args.split,
            answers=None if args.fresh else platformdirs.user_cache_path(*ANSWERS) / "answers",
            report=report,
            cancel=cancel,
        )
    if args.json:
        print_json(report_of.to_json())
        return
    print_score(report_of)


def print_score(found: "ScoreReport") -> None:
    """Print a row a task with its interval and n, then what exactly was measured."""
    from merger.tasks import UNITS  # noqa: PLC0415  (imports torch)

    rows = [
        (
            row.task,
            row.metric,
            f"{row.value:.4f}",
            f"{row.low:.4f} to {row.high:.4f}",
            f"{row.n:,} {UNITS[row.metric]}",
            "" if row.normalised is None else f"{row.normalised:.3f}",
        )
        for row in (*found.tasks, *found.groups)
    ]
    print_table(("TASK", "METRIC", "SCORE", "95 % INTERVAL", "N", "OF ITS BEST"), rows)
    what = f"{found.split} split"
    mean = "" if found.mean is None else f", mean {found.mean:.4f}"
    worst = "" if found.worst is None else f", worst task: {found.worst}"
    print(f"\n{what}{mean}{worst}")
    for note in found.notes:
        print(visible(note))

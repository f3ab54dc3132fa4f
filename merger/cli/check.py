"""`check DIR`: is a saved model fit for use?"""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import (
    add_json,
    add_progress,
    print_json,
    print_table,
    visible,
)
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "check",
        help="load a saved model, ask it something, and look for what stands out",
        description="Load a saved model as its users will, ask it one thing, and compare the "
        "size of every tensor with its base. The exit code is 1 when it is not fit for use.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a model")
    parser.add_argument(
        "--base", metavar="SOURCE", help="compare with this (default: the base of its recipe)"
    )
    parser.add_argument("--prompt", metavar="TEXT", help="a text for it to go on with")
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check."""
    from merger.selftest import self_test  # noqa: PLC0415  (imports torch)

    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        found = self_test(
            args.folder, base=args.base, prompt=args.prompt, report=report, cancel=cancel
        )
    if args.json:
        print_json(found.to_json())
    else:
        show_check(found.to_json())
    return 0 if found.is_well else 1


def show_check(found: dict[str, Any]) -> None:
    """Print a self-test for people."""
    print(visible(found["verdict"]))
    for problem in found["problems"]:
        print(visible(f"  {problem['severity']}: {problem['what']} {problem['remedy']}".rstrip()))
    loading, answer, drift = found["loading"], found["answer"], found["drift"]
    if loading is not None:
        print(visible(f"loaded:  {loading['architecture']}, {loading['parameters']:,} parameters"))
    if answer is not None:
        words = " or ".join(repr(word) for word in answer["words"])
        goes_on = f", goes on with {words}" if words else ""
        print(visible(f"asked:   {answer['asked']}: {answer['outputs']:,} numbers{goes_on}"))
    if drift["reference"]:
        print(visible(f"norms against {drift['reference']}:"))
        rows = [
            ("outside" if row["layer"] is None else str(row["layer"]), _ratio(row["ratio"]))
            for row in drift["layers"]
        ]
        print_table(("LAYER", "RATIO"), rows)


def _ratio(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"

"""`doctor R`: does it fit, what is wrong, what will it cost; reads headers only."""

import argparse
from typing import Any

from merger.cli.common import (
    add_json,
    add_recipe,
    print_json,
    read_recipe,
    visible,
    words_for_bytes,
)


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "doctor",
        help="check a recipe before it is run: does it fit, what will it cost",
        description="Check a recipe before it is run. Only headers and configurations are read. "
        "The exit code is 0 when the check could be made, whatever it found.",
    )
    add_recipe(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Report on a recipe."""
    recipe = read_recipe(args.recipe)
    from merger.doctor import doctor  # noqa: PLC0415  (a wrong path is told before it loads)

    found = doctor(recipe).to_json()
    if args.json:
        print_json(found)
        return
    print(f"verdict: {visible(str(found['verdict']))}")
    for problem in found["problems"]:
        where = f" ({visible(str(problem['where']))})" if problem["where"] else ""
        print(f"  {problem['severity']}: {visible(problem['what'])}{where}")
        if problem["remedy"]:
            print(f"    {visible(problem['remedy'])}")
    print(f"parameters: {found['parameters']:,}")
    print(f"memory:     {words_for_bytes(found['peak_bytes'])} at most")
    print(f"disk:       {words_for_bytes(found['disk_bytes'])}")
    if found["seconds"] is not None:
        print(f"time:       about {found['seconds']:.0f} s")

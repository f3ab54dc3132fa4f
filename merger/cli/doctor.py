"""`doctor R`: does it fit, what is wrong, what will it cost; reads headers only.

Of models of the hub it fetches headers and small files, and says what a merge would fetch.
"""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import (
    add_json,
    add_recipe,
    print_json,
    print_table,
    read_recipe,
    visible,
    words_for_bytes,
)

HEADS = ("MODEL", "ARCHITECTURE", "LAYERS", "PARAMETERS", "DTYPE", "ROWS", "TOKENS", "HEAD")


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "doctor",
        help="check a recipe before it is run: does it fit, what will it cost",
        description="Check a recipe before it is run. Only headers and configurations are read. "
        "The exit code is 1 when something forbids the merge.",
    )
    add_recipe(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="look at the space there too")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report on a recipe; the exit code lets a script go on to the merge or not."""
    recipe = read_recipe(args.recipe)
    from merger.doctor import doctor  # noqa: PLC0415  (a wrong path is told before it loads)
    from merger.pace import usual_place  # noqa: PLC0415

    report = doctor(recipe, out=args.out, pace=usual_place())
    if args.json:
        print_json(report.to_json())
    else:
        _show(report.to_json())
    return 0 if report.is_well else 1


def _show(found: dict[str, Any]) -> None:
    print(f"verdict: {visible(str(found['verdict']))}")
    for problem in found["problems"]:
        where = f" ({visible(str(problem['where']))})" if problem["where"] else ""
        print(f"  {problem['severity']}: {visible(problem['what'])}{where}")
        if problem["remedy"]:
            print(f"    {visible(problem['remedy'])}")
    if found["models"]:
        print()
        print_table(HEADS, [_row(model) for model in found["models"]])
        print()
        print(f"licence:    {visible(found['licence']['sentence'])}")
    print(f"parameters: {found['parameters']:,}")
    print(f"memory:     about {words_for_bytes(found['peak_bytes'])} at most, estimated")
    print(f"disk:       {words_for_bytes(found['disk_bytes'])}")
    if found["fetch_bytes"] is not None:
        print(f"to fetch:   {_to_fetch(found['fetch_bytes'])}")
    print(f"time:       about {max(found['seconds'], 1):.0f} s, estimated {found['basis']}")


def _to_fetch(count: int) -> str:
    if not count:
        return "nothing, the models of the hub are in the cache"
    return f"{words_for_bytes(count)} from the hub"


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    dtypes = " ".join(list(model["dtypes"])[:2])
    counts = [model["layers"], model["parameters"], model["rows"], model["tokens"]]
    layers, entries, rows, tokens = ["" if count is None else f"{count:,}" for count in counts]
    head = {True: "shared", False: "own", None: ""}[model["tied"]]
    return model["name"], model["architecture"], layers, entries, dtypes, rows, tokens, head

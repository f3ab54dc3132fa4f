"""`measure R`: how the experts' changes agree, collide and cancel, before anything is merged."""

import argparse
from typing import Any

from merger.cli.common import (
    add_json,
    add_progress,
    add_recipe,
    print_json,
    print_table,
    read_recipe,
    share,
)
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "measure",
        help="measure conflict, overlap and norms of a recipe's task vectors",
        description="Measure how the experts' changes agree, collide and cancel.",
    )
    add_recipe(parser)
    parser.add_argument(
        "--sample", metavar="SHARE", type=share, help="look at this share of all entries only"
    )
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measure."""
    recipe = read_recipe(args.recipe)
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.diagnostics.measure import measure  # noqa: PLC0415  (imports torch)

        found = measure(recipe, sample=args.sample, report=report, cancel=cancel).to_json()
    if args.json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    conflict, cancelled, overlap = found["conflict"], found["cancelled"], found["overlap"]
    rows = [
        ("sign conflict", _share(conflict["rate"]), _share(conflict["null"])),
        ("cancelled mass", _share(cancelled["mass"]), _share(cancelled["null"])),
        (
            "overlap (Jaccard)",
            _share(_of_pairs(overlap["jaccard"])),
            _share(_of_pairs(overlap["null"])),
        ),
    ]
    print_table(("MEASURE", "HERE", "BY CHANCE"), rows)
    print()
    cosines = [
        (name, f"{norm:.4g}", *(_number(value) for value in row))
        for name, norm, row in zip(found["experts"], found["norms"], found["cosine"], strict=True)
    ]
    print_table(("EXPERT", "NORM", *(f"COS {name}" for name in found["experts"])), cosines)
    if found["sample"] is not None:
        print(f"\nestimated from {100 * found['sample']:g} % of all entries")


def _of_pairs(matrix: list[list[float | None]]) -> float | None:
    """Return the mean over pairs of different experts; None for a single expert."""
    pairs = [v for i, row in enumerate(matrix) for v in row[:i] if v is not None]
    return sum(pairs) / len(pairs) if pairs else None


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"

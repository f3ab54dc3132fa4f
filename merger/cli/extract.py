"""`extract MODEL --base BASE --out DIR`: what fine-tuning changed, as a LoRA adapter."""

import argparse
from pathlib import Path
from typing import Any

from merger.cli.common import (
    add_json,
    add_progress,
    positive,
    print_json,
    print_table,
    share,
    visible,
)
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "extract",
        help="write what a fine-tuned model changed as a LoRA adapter",
        description="Write what a fine-tuned model changed of its base as a LoRA adapter that "
        "PEFT loads, and say how much of the change each number of directions holds.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a source, such as a folder or hub:org/name"
    )
    parser.add_argument("--base", metavar="SOURCE", required=True, help="what it was tuned from")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder to write")
    parser.add_argument("--rank", metavar="R", type=positive, help="most directions of a matrix")
    parser.add_argument(
        "--energy",
        metavar="SHARE",
        type=share,
        help="as many directions as hold this share of each matrix's change, such as 0.9",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="what the factors are stored in (default: float32)",
    )
    parser.add_argument(
        "--leave-out",
        metavar="GLOB",
        nargs="+",
        default=(),
        help="tensors that stay as the base has them, such as '*.cls_token'",
    )
    parser.add_argument("--force", action="store_true", help="replace a folder that exists")
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Extract."""
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.refactor import extract  # noqa: PLC0415  (imports torch)

        found = extract(
            args.model, args.base, args.out, args.rank,
            energy=args.energy, leave_out=args.leave_out, out_dtype=args.dtype, force=args.force,
            report=report, cancel=cancel,
        )  # fmt: skip
    if args.json:
        print_json(found.to_json())
    else:
        show_adapter(found.to_json())


def show_adapter(found: dict[str, Any]) -> None:
    """Print what an adapter holds and loses, given an `AdapterReport` as plain data."""
    # They import numpy, which the parser of the command line does without.
    from merger.diagnostics.energy import EnergyInfo  # noqa: PLC0415
    from merger.energy_page import PAGE  # noqa: PLC0415
    from merger.energy_words import needed_words, stored_words  # noqa: PLC0415

    curve = EnergyInfo.from_json(found["curve"])
    print(
        f"{visible(found['path'])}: {len(found['fits'])} matrices, rank {found['rank']}, "
        f"{found['error']:.2%} of the change is lost ({found['exact']:.2%} before rounding)"
    )
    print(needed_words(curve), stored_words(curve), f"The curve is in {PAGE}.")
    if found["whole"]:
        print(visible(f"stored whole: {', '.join(found['whole'])}"))
    if found["unnamed"]:
        print(visible(f"names on disk, which PEFT may not find: {', '.join(found['unnamed'])}"))
    print_table(
        ("RANK", "ENERGY"),
        [
            (str(rank), f"{held:.2%}")
            for rank, held in zip(found["ranks"], found["energy"], strict=True)
        ],
    )
    print()
    rows = sorted(found["fits"], key=lambda fit: -fit["error"])
    print_table(
        ("MATRIX", "RANK", "LOST"), [(f["key"], str(f["rank"]), f"{f['error']:.2%}") for f in rows]
    )

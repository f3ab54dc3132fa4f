"""`merge R --out DIR`: run the real merge and write a model folder."""

import argparse
import sys
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from merger.cli.check import show_check
from merger.cli.common import (
    add_json,
    add_progress,
    add_recipe,
    positive,
    print_json,
    read_recipe,
    size,
    visible,
    words_for_bytes,
)
from merger.cli.extract import show_adapter
from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt
from merger.devices.names import is_device_name
from merger.errors import RecipeError
from merger.layout import read_json
from merger.pace import remember, usual_place
from merger.progress import Report, check_cancel
from merger.recipe import Recipe
from merger.shards import SHARD_BYTES

if TYPE_CHECKING:
    from merger.selftest_info import SelfTest


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
        metavar="DEVICE",
        type=device,
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps (default: auto)",
    )
    parser.add_argument("--threads", metavar="N", type=positive, help="processor threads to use")
    parser.add_argument("--memory", metavar="SIZE", type=size, help="memory to use, such as 4GiB")
    parser.add_argument(
        "--resume", action="store_true", help="go on where a merge that was killed stopped"
    )
    parser.add_argument("--force", action="store_true", help="replace a folder that exists")
    parser.add_argument(
        "--shard-size",
        metavar="SIZE",
        type=size,
        help="most bytes in one weight file, such as 2GB (default: 5GB)",
    )
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="do not wait for the disk at the end: faster, but a power cut within the next minute "
        "may damage the model",
    )
    parser.add_argument(
        "--scores",
        metavar="FILE",
        type=Path,
        help="what `score R --json` printed for this recipe, for the model card",
    )
    parser.add_argument(
        "--adapter",
        metavar="RANK",
        type=positive,
        help="write a LoRA adapter of this rank instead of a model, and say what it loses",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="then load the model, ask it something, and look for what stands out",
    )
    add_progress(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def device(text: str) -> str:
    """Return the name of a device, which need not be here."""
    if not is_device_name(text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda, cuda:N or mps, got {text!r}")
    return text


def run(args: argparse.Namespace) -> int:
    """Merge; with --check the exit code is 1 when the result is not fit for use."""
    recipe = read_recipe(args.recipe)
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        rough = _look_before(args, recipe, report, cancel)
        check_cancel(cancel)
    if args.adapter is not None:
        _check_adapter(args)
        _write_adapter(args, recipe)
        return 0
    scores = None if args.scores is None else read_json(args.scores)
    notes: list[str] = []
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.engine import merge  # noqa: PLC0415  (imports torch)

        began = time.perf_counter()
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
            shard_bytes=args.shard_size or SHARD_BYTES,
            scores=scores,
            tell=notes.append,
            for_more=False,
            sync=not args.no_sync,
        )
        if not args.resume:
            # A merge that goes on says nothing of how long a whole one takes.
            remember(usual_place(), recipe.method, rough, time.perf_counter() - began)
    for note in notes:
        print(f"note: {visible(note)}", file=sys.stderr)
    from merger.outcome import outcome_of  # noqa: PLC0415  (only once there is one)

    outcome = outcome_of(path, recipe)
    checks = _check(args, path) if args.check else []
    if args.json:
        told = {"check": [check.to_json() for check in checks]} if args.check else {}
        print_json(outcome | ({"notes": notes} if notes else {}) | told)
    else:
        size_text = words_for_bytes(outcome["bytes"])
        print(f"{visible(outcome['path'])}: {len(outcome['files'])} files, {size_text}")
        for check in checks:
            show_check(check.to_json())
    return 0 if all(check.is_well for check in checks) else 1


def _check(args: argparse.Namespace, path: Path) -> "list[SelfTest]":
    """Test every model that was written."""
    from merger.selftest import self_test, written_models  # noqa: PLC0415  (after the merge)

    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        return [self_test(folder, report=report, cancel=cancel) for folder in written_models(path)]


def _look_before(
    args: argparse.Namespace, recipe: Recipe, report: Report | None, cancel: Event
) -> float:
    """Say on the error output what the doctor notices; what forbids the merge ends it here.

    Returns the seconds that are estimated without any correction.
    """
    from merger.preflight import preflight  # noqa: PLC0415  (a wrong path is told before it loads)

    # What a killed merge left there, or what is replaced, is no lack of space.
    whole = not (args.resume or args.force or args.adapter is not None)

    def tell(line: str) -> None:
        print(visible(line), file=sys.stderr)

    out = args.out if whole else None
    return preflight(recipe, tell=tell, out=out, report=report, cancel=cancel).rough_seconds


def _check_adapter(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing where an adapter is written."""
    if args.check:
        raise RecipeError(
            "--check loads a whole model, and --adapter writes none.", "Leave one of them out."
        )
    others = {
        "--device": args.device not in ("auto", "cpu"),
        "--threads": args.threads is not None,
        "--memory": args.memory is not None,
        "--resume": args.resume,
        "--shard-size": args.shard_size is not None,
        "--no-sync": args.no_sync,
        "--scores": args.scores is not None,
    }
    given = [name for name, is_given in others.items() if is_given]
    if given:
        raise RecipeError(
            f"--adapter writes one small file on the processor, and knows no {', '.join(given)}.",
            "Leave that out, or write a whole model and use extract.",
        )


def _write_adapter(args: argparse.Namespace, recipe: Recipe) -> None:
    with stop_on_interrupt() as cancel, progress_bar(args.progress) as report:
        from merger.refactor import merge_to_adapter  # noqa: PLC0415  (imports torch)

        found = merge_to_adapter(
            recipe, args.out, args.adapter, force=args.force, report=report, cancel=cancel
        )
    if args.json:
        print_json(found.to_json())
    else:
        show_adapter(found.to_json())

"""`import-mergekit CONFIG.yml` and `export-mergekit R`: configurations in and out."""

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from merger.cli.common import add_json, add_recipe, print_json, read_recipe, visible
from merger.errors import MergeError, OutputError


def add(commands: Any) -> None:
    """Register both commands."""
    reading = commands.add_parser(
        "import-mergekit",
        help="turn a mergekit configuration into a recipe",
        description="Turn a mergekit configuration (models, slices, stages) into a recipe, and "
        "name what mergekit passes over in silence. What has no counterpart is refused with the "
        "reason. Settings that differ from slice to slice need the models as local folders.",
    )
    reading.add_argument("config", metavar="CONFIG.yml", type=Path, help="a configuration file")
    reading.add_argument(
        "--out", metavar="PATH", type=Path,
        help="the recipe to write, or the folder for a configuration of several stages",
    )  # fmt: skip
    reading.add_argument(
        "--raw", action="store_true", help="read it as mergekit-pytorch does: no layers"
    )
    add_json(reading)
    reading.set_defaults(run=run_import)
    writing = commands.add_parser(
        "export-mergekit",
        help="turn a recipe into a mergekit configuration",
        description="Turn a recipe into a configuration that mergekit 0.1.5 runs with the same "
        "result. What it cannot do is refused with the reason.",
    )
    add_recipe(writing)
    writing.add_argument("--out", metavar="FILE", type=Path, help="the configuration to write")
    add_json(writing)
    writing.set_defaults(run=run_export)


def run_import(args: argparse.Namespace) -> None:
    """Read a configuration."""
    from merger.mergekit import import_mergekit  # noqa: PLC0415  (reads every method)
    from merger.recipe_yaml import read_text  # noqa: PLC0415  (yaml only where it is read)

    # Relative paths start from the current folder, for mergekit as for us.
    found = import_mergekit(
        read_text(args.config), tensor_names=_tensor_names, raw=args.raw, beside=args.out
    )
    from merger.mergekit.models import stage_file  # noqa: PLC0415  (with the import)

    several = len(found) > 1
    for one in found:
        if args.out is not None:
            name = stage_file(one.name or "recipe") if several else ""
            _write(args.out / name if several else args.out, one.recipe.to_yaml())
        elif not args.json:
            if several:
                print(f"# {stage_file(one.name or 'recipe')}")
            print(one.recipe.to_yaml(), end="")
        _tell(one.findings)
    if args.json:
        print_json([one.to_json() for one in found])


def run_export(args: argparse.Namespace) -> None:
    """Write a configuration."""
    recipe = read_recipe(args.recipe)
    from merger.mergekit import export_mergekit  # noqa: PLC0415  (reads every method)

    found = export_mergekit(recipe, tensor_names=_tensor_names)
    if args.out is not None:
        _write(args.out, found.text)
    elif not args.json:
        print(found.text, end="")
    _tell(found.findings)
    if args.json:
        print_json(found.to_json())


def _tensor_names(source: str) -> Collection[str] | None:
    """Return the tensor names of a model that is on this machine, else None."""
    if not source.startswith("file:"):
        return None
    from merger.sources import open_source  # noqa: PLC0415  (only where there is one)

    try:
        return tuple(open_source(source).tensors)
    except MergeError:
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(f"{path} exists already.", "Choose another name.") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.", "Check it.") from None


def _tell(findings: Sequence[Any]) -> None:
    for finding in findings:
        print(f"{finding.severity}: {visible(finding.what)} ({finding.where})", file=sys.stderr)
        if finding.remedy:
            print(f"  {visible(finding.remedy)}", file=sys.stderr)

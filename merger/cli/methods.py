"""`methods [NAME]`: what can be done, and what each method lets one turn."""

import argparse
import textwrap
from typing import Any

from merger.cli.common import add_json, print_json, print_table, visible
from merger.errors import RecipeError, did_you_mean


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "methods",
        help="list the merge methods and verbs, or show one",
        description="List the merge methods and verbs, or show one with its settings.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a method or verb, such as ties")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """List methods."""
    from merger.spec import METHODS  # noqa: PLC0415  (reads every method)

    if args.name is not None and args.name not in METHODS:
        raise RecipeError(f"There is no method {args.name!r}.", did_you_mean(args.name, METHODS))
    chosen = METHODS.values() if args.name is None else [METHODS[args.name]]
    if args.json:
        print_json([method.to_json() for method in chosen])
    elif args.name is None:
        rows = [(m.name, m.family, ", ".join(m.needs), m.summary) for m in chosen]
        print_table(("NAME", "FAMILY", "NEEDS", "WHAT IT DOES"), rows)
    else:
        _show(METHODS[args.name])


def _show(method: Any) -> None:
    from merger.facts import facts_of  # noqa: PLC0415  (reads every method)

    print(f"{method.name}: {method.title}. {visible(method.summary)}")
    if method.formula:
        print(f"  {visible(method.formula)}")
    print(f"family: {method.family}   stage: {method.stage}   paper: {method.paper or 'none'}\n")
    for fact in facts_of(method):
        text = "; ".join(fact.lines) or fact.text
        print(textwrap.fill(visible(f"{fact.name}: {text}"), 99, subsequent_indent="  "))
        if fact.link:
            print(f"  {fact.link}")
    if not method.params:
        return
    print()
    rows = [
        (shape["name"], _word(shape["default"]), _bounds(shape), shape["help"])
        for shape in (param.to_json() for param in method.params)
    ]
    print_table(("SETTING", "DEFAULT", "MAY BE", "MEANING"), rows)


def _bounds(shape: dict[str, Any]) -> str:
    if shape["choices"]:
        return " | ".join(str(choice) for choice in shape["choices"])
    low, high = shape["low"], shape["high"]
    if low is None and high is None:
        return shape["type"]
    if high is None:
        return f"{_word(low)} or more"
    if low is None:
        return f"up to {_word(high)}"
    return f"{_word(low)} to {_word(high)}"


def _word(value: Any) -> str:
    return "none" if value is None else str(value)

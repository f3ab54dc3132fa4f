"""The command line: the same library, no browser.

One command a file. Each registers its arguments with `add(commands)` and imports what it runs
only when it runs, so that listing and helping start without torch.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from merger import __version__
from merger.cli import (
    check,
    doctor,
    extract,
    measure,
    merge,
    mergekit,
    methods,
    push,
    score,
    verify,
    zoo,
)
from merger.cli.common import visible
from merger.cli.stopping import asked_by, signals_as_stops
from merger.errors import Cancelled, MergeError, did_you_mean

COMMANDS = (methods, doctor, merge, extract, check, verify, push, measure, score, zoo, mergekit)

EXIT_CODES = """exit codes:
  0  done
  1  something in the recipe, the models or the target is not right; the message says what
  2  the command line itself is not right
  130  stopped with Ctrl-C; nothing half-written is left (143: by SIGTERM)
"""


class _Parser(argparse.ArgumentParser):
    """A parser that names the near miss of a wrong word."""

    def error(self, message: str) -> NoReturn:
        got, _, known = message.partition("invalid choice: ")[2].partition(" (choose from ")
        if known:
            words = [word.strip("'\" )") for word in known.split(",")]
            message = f"{message}\n{did_you_mean(got.strip(chr(39)), words)}"
        super().error(message)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every command there is."""
    parser = _Parser(
        prog="python -m merger",
        description="Merge fine-tuned models, and see what a merge does before you ship it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mergescope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show λ gets a question mark, not a crash.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with signals_as_stops() as came:
            try:
                return _run(argv)
            except Exception:
                # A library that is interrupted while it is loaded may say that it is broken.
                if not came.number:
                    raise
                return _stopped(came.number)
    except KeyboardInterrupt as stop:
        return _stopped(getattr(stop, "number", signal.SIGINT))


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except Cancelled:
        return _stopped(asked_by() or signal.SIGINT)
    except MergeError as error:
        _tell(error, as_json=getattr(args, "json", False))
        return 1
    except BrokenPipeError:
        # Somebody such as `head` has read enough; keep the exit from trying to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _stopped(number: int) -> int:
    print("Stopped. Nothing half-written is left.", file=sys.stderr)
    return 128 + number


def _tell(error: MergeError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(error.to_json(), indent=2))
        return
    print(f"error: {visible(error.message)}", file=sys.stderr)
    if error.hint:
        print(visible(error.hint), file=sys.stderr)

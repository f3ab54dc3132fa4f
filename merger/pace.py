"""How fast this machine merges: what earlier merges took beside what was estimated for them."""

import json
import os
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import platformdirs

NAME = "pace.json"
KEPT = 5
# Shorter merges tell how fast a program starts.
SHORTEST = 2.0
MAX_BYTES = 1 << 20
# What is off by more was no measure of the machine: it slept, or swapped.
MOST = 100.0


class Pace(NamedTuple):
    """How an estimate is corrected.

    Args:
        factor: What it is multiplied by.
        words: What that is known from.
    """

    factor: float
    words: str


UNKNOWN = Pace(1.0, "with another machine's speed: nothing was merged on this one yet")


def usual_place() -> Path:
    """Return where the command line remembers it."""
    return platformdirs.user_cache_path("mergescope", False) / NAME


def pace_of(place: Path | None, method: str) -> Pace:
    """Return how estimates for a method are corrected.

    Args:
        place: Where merges are remembered; None where they are not.
        method: Its name; where it was never used, all methods together count.
    """
    known = {} if place is None else _read(place)
    own = known.get(method, [])
    if own:
        return Pace(median(own), f"from {_merges(len(own))} by this method on this machine")
    every = [factor for name in sorted(known) for factor in known[name]]
    if not every:
        return UNKNOWN
    return Pace(median(every), f"from {_merges(len(every))} by other methods on this machine")


def remember(place: Path, method: str, estimated: float, seconds: float) -> None:
    """Keep how long a merge took beside what was estimated before any correction.

    Args:
        place: Where merges are remembered; nothing happens where it cannot be written.
        method: The name of the method.
        estimated: Seconds estimated with the rates that ship with the program.
        seconds: What it took.
    """
    if seconds < SHORTEST or not 1 / MOST < seconds / max(estimated, 1e-9) < MOST:
        return
    known = _read(place)
    known[method] = [*known.get(method, []), seconds / estimated][-KEPT:]
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_name(f"{place.name}.{os.getpid()}")
        aside.write_text(json.dumps(known, sort_keys=True) + "\n", "utf-8")
        aside.replace(place)


def _read(place: Path) -> dict[str, list[float]]:
    """Return what is remembered; nothing where the file is missing or damaged."""
    try:
        if place.stat().st_size > MAX_BYTES:
            return {}
        found = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    listed = found.items() if isinstance(found, dict) else ()
    return {name: kept for name, factors in listed if (kept := _factors(factors))}


def _factors(value: object) -> list[float]:
    listed = value if isinstance(value, list) else []
    numbers = [x for x in listed if isinstance(x, int | float) and not isinstance(x, bool)]
    return [float(x) for x in numbers if 1 / MOST < x < MOST][-KEPT:]


def _merges(count: int) -> str:
    return "1 merge" if count == 1 else f"{count} merges"

"""Write the results of headroom.py as one page of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WANTED_GAP = 0.15


def page(found: Mapping[str, Any]) -> str:
    """Return the page; every figure is on test images, every setting chosen on validation."""
    seeds = {name: found[name] for name in sorted(found) if name.isdigit()}
    parts = [
        "# Head-room of the bundled experts",
        "Written by `make headroom`. Settings are chosen on validation images, figures are on "
        "test images. Seeds share the base; all three are compared at step 256. Intervals are "
        "95 %: paired, over font families where images share one; a mean over tasks combines "
        "those of the tasks.",
        verdict(seeds),
        "## Methods over three seeds, step 256 (mean accuracy over the tasks, %)",
        _methods(seeds),
        "## What the sliders of each task reach, step 256 (%)",
        _reach(seeds),
        "## Pairs of methods, step 256 (change of the mean over tasks, points)",
        _pairs(seeds),
    ]
    if "final" in found:
        final = {"final": found["final"]}
        parts += ["## The bundled experts, final checkpoints (%)", _methods(final)]
        parts += [_by_task(found["final"]), _reach(final), _pairs(final)]
    if "curve" in found:
        parts += ["## The bundled experts over their training steps (%)", _curve(found["curve"])]
    return "\n\n".join(parts) + "\n"


def verdict(seeds: Mapping[str, Any]) -> str:
    """Say whether the two wanted things hold for every seed."""
    gaps = [row["gap"][0] for s in seeds.values() for row in s["reach"]]
    clear = sum(gap >= WANTED_GAP for gap in gaps)
    seen = [_seen_in_all(seeds, pair["pair"]) for pair in next(iter(seeds.values()))["pairs"]]
    methods = [
        pair["pair"]
        for pair, holds in zip(next(iter(seeds.values()))["pairs"], seen, strict=True)
        if holds and "base" not in pair["pair"]
    ]
    words = "; ".join(f"{one} and {two}" for one, two in methods) or "none"
    return (
        f"- Best and worst setting differ by at least {100 * WANTED_GAP:.0f} points in "
        f"{clear} of {len(gaps)} cases (task and seed); the smallest gap is "
        f"{100 * min(gaps):.1f} points.\n"
        f"- Pairs of methods that differ beyond their paired interval, in the same direction, "
        f"in all {len(seeds)} seeds: {words}."
    )


def _seen_in_all(seeds: Mapping[str, Any], pair: Sequence[str]) -> bool:
    changes = [row["change"] for s in seeds.values() for row in s["pairs"] if row["pair"] == pair]
    return all(low > 0 for _, low, _ in changes) or all(high < 0 for _, _, high in changes)


def _methods(seeds: Mapping[str, Any]) -> str:
    several = len(seeds) > 1
    head = ["method", *map(_head, seeds), *(["mean"] if several else []), "chosen settings"]
    tables = [s["methods"] for s in seeds.values()]
    rows = []
    for same in zip(*tables, strict=True):
        values = [row["accuracy"] for row in same]
        settings = list(dict.fromkeys(row["setting"] for row in same if row["setting"]))
        cells = [*values, *([sum(values) / len(values)] if several else [])]
        rows.append([same[0]["method"], *map(_percent, cells), "; ".join(settings)])
    return _table(head, rows)


def _reach(seeds: Mapping[str, Any]) -> str:
    rows = [
        [
            row["task"],
            seed,
            str(row["n"]),
            f"{_percent(row['best'])} {row['best_setting']}",
            f"{_percent(row['worst'])} {row['worst_setting']}",
            _interval(row["gap"]),
        ]
        for seed, s in seeds.items()
        for row in s["reach"]
    ]
    return _table(["task", "seed", "n", "best", "worst", "gap (points)"], rows)


def _pairs(seeds: Mapping[str, Any]) -> str:
    rows = []
    for same in zip(*(s["pairs"] for s in seeds.values()), strict=True):
        pair = same[0]["pair"]
        mark = "yes" if _seen_in_all(seeds, pair) else ""
        rows.append([f"{pair[0]} − {pair[1]}", *(_interval(row["change"]) for row in same), mark])
    last = "differs in all" if len(seeds) > 1 else "differs"
    return _table(["pair", *map(_head, seeds), last], rows)


def _curve(curve: Sequence[Mapping[str, Any]]) -> str:
    head = list(curve[0])
    rows = [[str(row["step"]), *(_percent(row[name]) for name in head[1:])] for row in curve]
    return _table(head, rows)


def _by_task(seed: Mapping[str, Any]) -> str:
    names = list(seed["methods"][0]["tasks"])
    rows = [
        [row["method"], *(_percent(row["tasks"][name]) for name in names)]
        for row in seed["methods"]
    ]
    return _table(["method", *names], rows)


def _head(seed: str) -> str:
    return f"seed {seed}" if seed.isdigit() else seed


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _interval(found: Sequence[float]) -> str:
    value, low, high = (100 * number for number in found)
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)

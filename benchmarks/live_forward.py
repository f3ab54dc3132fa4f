"""Time the parts of a slider move: the bare forward pass, the merge, and the whole preview.

    python -m benchmarks.live_forward                      the bundled experts
    python -m benchmarks.live_forward --models DIR         a folder with base/ and experts
    python -m benchmarks.live_forward --methods ties       some methods only

Nothing is asserted: the figures are for reading, side by side, from one run on one machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from merger.live import LiveSet
from merger.recipe import Expert, Recipe

METHODS: dict[str, dict[str, Any]] = {
    "average": {},
    "task_arithmetic": {"scale": 0.3},
    "ties": {"density": 0.2},
    "dare_linear": {"density": 0.5},
    "dare_ties": {"density": 0.5},
    "model_stock": {},
}
MOVES = 30


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="a folder with base/ and expert folders")
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    base, experts = _models(args.models)
    start = perf_counter()
    first = Recipe("task_arithmetic", experts, base=base, params={"scale": 0.2})
    live = LiveSet.open(first)
    found: dict[str, Any] = {
        "parameters": live.stack.parameters,
        "experts": len(experts),
        "open_seconds": perf_counter() - start,
    }
    start = perf_counter()
    preview = live.scores().preview
    found["scorer_seconds"] = perf_counter() - start
    if preview is None:
        print(live.why_no_scores())
        return
    start = perf_counter()
    reference = live.full(first)
    found["full_validation_seconds"] = perf_counter() - start
    found["examples"] = sum(len(o) for o in reference.outcomes.values())
    found["subset"] = sum(preview.sizes.values())
    bare = _times(lambda _: preview.bare_pass(), args.moves)
    found["bare_forward_ms"] = _figures(bare)
    _print(found)
    for method in args.methods:
        recipe = replace(first, method=method, params=METHODS[method])
        found[method] = _moves(live, recipe, reference, args)
        _print({method: found[method]})
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _moves(live: LiveSet, recipe: Recipe, reference: Any, args: Any) -> dict[str, Any]:
    """Move the first coefficient a little, many times."""

    def moved(i: int) -> Recipe:
        weights = (0.5 + i / 100, *(1.0 for _ in recipe.experts[1:]))
        return replace(recipe, weights=weights)

    start = perf_counter()
    live.merge(moved(0))
    first = 1000 * (perf_counter() - start)
    return {
        "first_merge_ms": first,
        "merge_ms": _figures(_times(lambda i: live.merge(moved(i)), args.moves)),
        "preview_ms": _figures(_times(lambda i: live.preview(moved(i), reference), args.moves)),
    }


def _times(call: Callable[[int], object], moves: int) -> list[float]:
    times = []
    for i in range(moves):
        start = perf_counter()
        call(i)
        times.append(1000 * (perf_counter() - start))
    return times


def _figures(times: list[float]) -> dict[str, float]:
    p50, p95 = np.quantile(times, (0.5, 0.95))
    return {"min": min(times), "p50": float(p50), "p95": float(p95)}


def _models(folder: Path | None) -> tuple[str, tuple[Expert, ...]]:
    if folder is None:
        from merger.zoo.read import zoo_info  # noqa: PLC0415  (other folders do without)

        return "zoo:base", tuple(Expert(f"zoo:{name}", name) for name in zoo_info().names())
    names = sorted(p.parent.name for p in folder.glob("*/config.json"))
    experts = tuple(Expert(f"file:{folder / n}", n) for n in names if n != "base")
    return f"file:{folder / 'base'}", experts


def _print(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if not isinstance(value, dict):
            print(
                f"{name:26} {value:,.3f}" if isinstance(value, float) else f"{name:26} {value:,}"
            )
            continue
        for part, figures in value.items() if name in METHODS else ((None, value),):
            label = name if part is None else f"{name} {part}"
            if isinstance(figures, dict):
                text = "  ".join(f"{k} {v:8.1f}" for k, v in figures.items())
            else:
                text = f"    {figures:8.1f}"
            print(f"{label:32} {text}")


if __name__ == "__main__":
    main()

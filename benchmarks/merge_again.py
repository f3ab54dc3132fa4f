"""What a second merge of the same models takes with other settings, in one process.

python -m benchmarks.merge_again FAMILY [--method ties]

FAMILY is the folder of a family as `benchmarks.merge --family` writes it. The app's worker and a
program that uses the library merge the same models again and again: every magnitude is counted at
first, so neither another coefficient nor another density needs a second survey. What else a first
merge takes for that is the difference to one by the command line, which counts what it needs.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.merge import entries_of, recipe_of, write_page
from benchmarks.merge_mergescope import load_loops
from merger import engine
from merger.recipe import Recipe

HERE = Path(__file__).parent
RESULTS = HERE / "merge_again.json"
ALONE = "by the command line"


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", type=Path)
    parser.add_argument("--method", default="ties", choices=("ties", "breadcrumbs"))
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--times", type=int, default=3, help="the best of so many is kept")
    chosen = parser.parse_args(arguments)
    first = recipe_of(chosen.method, chosen.experts)
    weights = tuple(0.6 + 0.1 * i for i in range(chosen.experts))
    recipes = {
        ALONE: first,
        "first": first,
        "other coefficients": replace(first, weights=weights),
        "another density": replace(first, params={**first.params, "density": 0.35}),
    }
    load_loops(first)
    found: dict[str, float] = {}
    for _ in range(chosen.times):
        for name, made in recipes.items():
            if name in (ALONE, "first"):
                # As if nothing had been merged before.
                engine._surveys.clear()
            taken = seconds(made, chosen.family, for_more=name != ALONE)
            found[name] = min(taken, found.get(name, taken))
            print(f"{name:20} {taken:.2f} s", flush=True)
    said = {"entries": entries_of(chosen.family / "base"), "seconds": found}
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**results, chosen.method: said}, indent=1) + "\n", "utf-8")
    merges = HERE / "merge.json"
    write_page(json.loads(merges.read_text("utf-8")) if merges.exists() else {})


def seconds(made: Recipe, family: Path, *, for_more: bool) -> float:
    """Return what a merge takes of one processor."""
    out = family / "again"
    start = time.process_time()
    engine.merge(made, out, threads=1, base_dir=family, device="cpu", for_more=for_more)
    taken = time.process_time() - start
    shutil.rmtree(out)
    return taken


if __name__ == "__main__":
    main(sys.argv[1:])

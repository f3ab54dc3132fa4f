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
from merger.engine import merge

HERE = Path(__file__).parent
RESULTS = HERE / "merge_again.json"


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", type=Path)
    parser.add_argument("--method", default="ties", choices=("ties", "breadcrumbs"))
    parser.add_argument("--experts", type=int, default=4)
    chosen = parser.parse_args(arguments)
    first = recipe_of(chosen.method, chosen.experts)
    weights = tuple(0.6 + 0.1 * i for i in range(chosen.experts))
    recipes = {
        "by the command line": first,
        "first": first,
        "other coefficients": replace(first, weights=weights),
        "another density": replace(first, params={**first.params, "density": 0.35}),
    }
    load_loops(first)
    out = chosen.family / "again"
    found = {}
    for name, made in recipes.items():
        start = time.process_time()
        for_more = name != "by the command line"
        merge(made, out, threads=1, base_dir=chosen.family, device="cpu", for_more=for_more)
        found[name] = time.process_time() - start
        shutil.rmtree(out)
        print(f"{name:20} {found[name]:.2f} s", flush=True)
    said = {"entries": entries_of(chosen.family / "base"), "seconds": found}
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**results, chosen.method: said}, indent=1) + "\n", "utf-8")
    merges = HERE / "merge.json"
    write_page(json.loads(merges.read_text("utf-8")) if merges.exists() else {})


if __name__ == "__main__":
    main(sys.argv[1:])

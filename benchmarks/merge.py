"""Merge whole models beside mergekit and beside the speed of the disk: `make bench-merge`.

python -m benchmarks.merge [--millions 300] [--experts 4] [--methods ties linear] [--threads 1]

Every merge runs in a process of its own on the same inputs, with everything imported before the
clock starts; settings are those of mergekit, exported from our recipe. On one thread, what counts
is processor time, which other programs disturb least; on more of them, and where all wait for the
disk, seconds on the clock.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.large_family import write_family
from benchmarks.merge_meter import held_pages
from benchmarks.merge_page import page
from merger.mergekit.export import export_mergekit
from merger.recipe import Expert, Recipe
from merger.sources import open_source
from merger.spec import METHODS

HERE = Path(__file__).parent
RESULTS = HERE / "merge.json"
ROOT = str(HERE.parent)
PEER = HERE.parent / ".venv" / "conformance" / "bin" / "python"
MERGEKIT: dict[str, Any] = {"dialect": "mergekit"}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "linear": {},
    "task_arithmetic": {},
    "slerp": {},
    "ties": {**MERGEKIT, "density": 0.2},
    "dare_ties": {**MERGEKIT, "density": 0.2},
    "dare_linear": {**MERGEKIT, "density": 0.2},
    "breadcrumbs": {**MERGEKIT, "density": 0.2, "gamma": 0.01},
    "sce": {**MERGEKIT},
    "sce_selecting": {**MERGEKIT, "select_topk": 0.1},
    "della": {**MERGEKIT, "density": 0.3, "epsilon": 0.15},
    "karcher": {},
    "model_stock": {"clamp": False},
}
# Seconds after which a merge is not measured again.
ENOUGH = 60.0
IDS = {"sce_selecting": "sce"}
# No two of them make a half, where sums of numbers in bfloat16 would lie between two of these.
WEIGHTS = {"linear": (0.36, 0.27, 0.22, 0.15), "task_arithmetic": (0.36, 0.27, 0.22, 0.31)}


def recipe_of(method: str, experts: int) -> Recipe:
    """Return the recipe that both programs merge by."""
    count = {"slerp": 2}.get(method, experts)
    listed = tuple(Expert(f"file:expert_{i + 1}", f"expert_{i + 1}") for i in range(count))
    weights = tuple((WEIGHTS.get(method, (1.0,)) * count)[:count])
    params = dict(SETTINGS.get(method, {}))
    return Recipe(IDS.get(method, method), listed, "file:base", weights=weights, params=params)


def run(
    kind: str, config: Path, out: Path, threads: int, temperature: str, *, keep: bool = False
) -> dict[str, Any]:
    """Merge once in a process of its own, and return what it took."""
    python = str(PEER) if kind == "mergekit" else sys.executable
    command = [python, "-m", f"benchmarks.merge_{kind}", str(config), str(out)]
    done = subprocess.run(
        [*command, str(threads), temperature],
        capture_output=True, text=True, cwd=config.parent, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    if not keep:
        shutil.rmtree(out, ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"{kind} {config.name}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def entries_of(folder: Path) -> int:
    """Return how many numbers a model holds."""
    return sum(tensor.numel for tensor in open_source(f"file:{folder}").tensors.values())


def bytes_moved(made: Recipe, folder: Path) -> int:
    """Return the bytes of what a merge must read and write."""
    size = sum(tensor.nbytes for tensor in open_source(f"file:{folder / 'base'}").tensors.values())
    needs_base = "base" in METHODS[made.method].needs
    return size * (len(made.experts) + needs_base + 1)


def compare(method: str, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what each program took for one method, each the best of a few times in turn."""
    made = recipe_of(method, chosen.experts)
    ours, theirs, out = folder / f"{method}.yaml", folder / f"{method}.mk.yaml", folder / "out"
    ours.write_text(made.to_yaml(), "utf-8")
    theirs.write_text(export_mergekit(made).text, "utf-8")
    configs = {"floor": ours, "mergescope": ours, "synced": ours, "mergekit": theirs}
    if chosen.no_peer or not PEER.exists():
        del configs["mergekit"]
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in configs}
    # In turn, so that a slow minute of the machine does not fall on one of them alone.
    for _ in range(chosen.times):
        for kind, config in configs.items():
            if sum(one["wall"] for one in runs[kind]) < ENOUGH:
                runs[kind].append(run(kind, config, out, chosen.threads, chosen.temperature))
    clock = "cpu" if chosen.threads == 1 and chosen.temperature == "warm" else "wall"
    found = {kind: min(some, key=lambda one: one[clock]) for kind, some in runs.items()}
    found["stages"] = run("stages", ours, out, chosen.threads, chosen.temperature)
    found["bytes"] = {"moved": bytes_moved(made, folder)}
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and add the results to those there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=300)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--temperature", choices=("warm", "cold"), default="warm")
    parser.add_argument("--times", type=int, default=3, help="the best of so many is kept")
    parser.add_argument("--family", type=Path, help="a folder to keep the models in")
    parser.add_argument("--no-peer", action="store_true")
    chosen = parser.parse_args(arguments)
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.family or Path(made)
        if not (folder / "base").exists():
            write_family(folder, chosen.millions, chosen.experts)
        size = f"{chosen.millions} M, {chosen.experts} experts"
        name = f"{size}, {chosen.threads} thread(s), {chosen.temperature}"
        at = results.setdefault(name, {"methods": {}})
        at["date"] = date.today().isoformat()
        at["entries"] = entries_of(folder / "base")
        for method in chosen.methods:
            with held_pages(folder) if chosen.temperature == "warm" else nullcontext():
                found = compare(method, folder, chosen)
            at["methods"][method] = found
            _say(method, found)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
            write_page(results)


def write_page(results: Mapping[str, Any]) -> None:
    """Write the page of all results, with agreement and second merges where they were measured."""
    others = {name: HERE / f"merge_{name}.json" for name in ("again", "agreement")}
    found = {
        name: json.loads(path.read_text("utf-8")) for name, path in others.items() if path.exists()
    }
    (HERE / "merge.md").write_text(page(results, found), "utf-8")


def _say(method: str, found: Mapping[str, Mapping[str, float]]) -> None:
    words = [
        f"{kind} {one['cpu']:.2f} s ({one['wall']:.2f} by the clock, "
        f"{one['anonymous'] / 2**20:.0f} MiB)"
        for kind, one in found.items()
        if "cpu" in one
    ]
    print(f"{method:16}", ", ".join(words), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

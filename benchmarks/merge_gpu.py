"""Merge the same family on the processor and on a GPU, beside the speed of the bus.

python -m benchmarks.merge_gpu [--family DIR | --millions 300 --experts 4] [--methods ties linear]
    [--device D] [--times 3]

All merges of a device run in one process, each method once before the clock starts: torch, CUDA
and the compiled loops are loaded then. Of the others the median counts. The floor is what the
inputs and the output take to cross the bus through pinned buffers, in the same run. Where there is
no GPU, it says so and measures nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.large_family import write_family
from benchmarks.merge import recipe_of
from benchmarks.merge_meter import claim_memory, measure
from merger.devices.drivers import Driver, open_driver
from merger.devices.names import pick_device
from merger.engine import merge
from merger.recipe import Recipe

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("merge_gpu.json")
PAGE = Path(__file__).with_name("merge_gpu.md")
METHODS = (
    "linear", "task_arithmetic", "slerp", "ties", "dare_ties", "breadcrumbs", "della", "sce",
    "karcher", "model_stock", "tsv_m",
)  # fmt: skip
# Bytes, enough to reach the speed that the bus keeps up.
CROSSING = 256 << 20
HEAD = """# Merges on a GPU beside the processor

`python -m benchmarks.merge_gpu`: the engine as it is, one process for each device, a first merge
of each method not counted, the median of {times} after it. Inputs are in the machine's cache; the
output is written and flushed to the disk. *Bus* is what all inputs and the output take to cross
it through pinned buffers. On the processor the compiled loops merge, on up to 8 threads.

{machine}. {models}.

| method | processor, s | GPU, s | GPU, times as fast | bus, s |
|---|---|---|---|---|
"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=300)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--family", type=Path)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--merge", help="measure one device in this process")
    given = parser.parse_args()
    if given.merge:
        for method in given.methods:
            print(json.dumps(timed(given.family, method, given.experts, given.merge, given.times)))
        return
    device = pick_device(given.device)
    driver = open_driver(device).driver
    if driver is None:
        print("There is no GPU here that could be used, so nothing is measured.")
        return
    with tempfile.TemporaryDirectory() as name:
        family = given.family or Path(name)
        if not (family / "base").exists():
            write_family(family, given.millions, given.experts)
        compare(given, family, device, driver)


def compare(given: argparse.Namespace, family: Path, device: str, driver: Driver) -> None:
    """Merge on each device, and write what was found."""
    rate = crossing_rate(driver)
    found = {where: all_timed(given, family, where) for where in ("cpu", device)}
    model = sum(path.stat().st_size for path in (family / "base").glob("*.safetensors"))
    rows = {}
    for method in given.methods:
        inputs = len(recipe_of(method, given.experts).experts) + 1
        floor = inputs * model / rate["to"] + model / rate["from"]
        here, there = found["cpu"][method], found[device][method]
        rows[method] = {"here": here, "there": there, "floor": floor}
    results = {
        "times": given.times,
        "machine": f"{os.cpu_count()} processors, {driver.label}, "
        f"{rate['to'] / 1e9:.0f} GB/s to it and {rate['from'] / 1e9:.0f} back, "
        f"torch {torch.__version__}, {date.today()}",
        "models": f"{model // 2:,} parameters in bfloat16, a base and {given.experts} experts",
        "rows": rows,
        # What whoever ran it has to say of the run.
        "remarks": [],
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(results), "utf-8")
    print(page(results))


def all_timed(given: argparse.Namespace, family: Path, where: str) -> dict[str, Any]:
    """Merge by each method in a process of its own, and return what each took."""
    words = ["--merge", where, "--family", str(family), "--experts", str(given.experts)]
    words += ["--times", str(given.times), "--methods", *given.methods]
    command = [sys.executable, "-m", "benchmarks.merge_gpu", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(given.methods, map(json.loads, said), strict=True))


def timed(family: Path, method: str, experts: int, device: str, times: int) -> dict[str, Any]:
    """Merge once to get ready and some times more, and return the medians."""
    made: Recipe = recipe_of(method, experts)
    notes: list[str] = []
    out = family / "out"
    runs = []

    def once() -> None:
        merge(made, out, device=device, base_dir=family, tell=notes.append)

    for _ in range(times + 1):
        claim_memory(family)
        runs.append(measure(once))
        shutil.rmtree(out)
    middle = {name: median(run[name] for run in runs[1:]) for name in ("wall", "cpu")}
    print(f"{method} on {device}: {middle['wall']:.2f} s", file=sys.stderr, flush=True)
    return middle | {"notes": sorted(set(notes))}


def page(results: dict[str, Any]) -> str:
    """Return the results as a page."""
    lines = [HEAD.format(**results)]
    for method, row in results["rows"].items():
        here, there = row["here"], row["there"]
        lines.append(
            f"| {method} | {here['wall']:.2f} | {there['wall']:.2f} "
            f"| {here['wall'] / there['wall']:.1f} | {row['floor']:.2f} |\n"
        )
    notes = sorted({note for row in results["rows"].values() for note in row["there"]["notes"]})
    return "".join(lines) + "".join(f"\n{note}\n" for note in [*notes, *results["remarks"]])


def crossing_rate(driver: Driver) -> dict[str, float]:
    """Return how many bytes a second cross the bus to a device and back, from and to a buffer."""
    near = driver.buffer(CROSSING)
    queue = driver.queue()
    rates = {}
    with driver.working(queue):
        there = torch.zeros(CROSSING, dtype=torch.uint8, device=driver.device)
        for name in ("to", "from", "to", "from"):
            source, target = (near, there) if name == "to" else (there, near)
            # Whatever came before is done when a number has come back.
            there[0].item()
            began = time.perf_counter()
            target.copy_(source)
            there[0].item()
            rates[name] = CROSSING / (time.perf_counter() - began)
    return rates


if __name__ == "__main__":
    main()

"""Merge the same family on the processor and on a GPU, beside the speed of the bus.

python -m benchmarks.merge_gpu [--millions 300] [--experts 4] [--methods ties linear] [--device D]

Each merge runs in a process of its own, with everything imported and one small merge done before
the clock starts. The floor is what the inputs and the output take to cross the bus, through pinned
buffers, in the same run. Where there is no GPU, it says so and measures nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.large_family import write_family
from benchmarks.merge import recipe_of
from benchmarks.merge_meter import measure
from merger.devices.drivers import Driver, open_driver
from merger.devices.names import pick_device
from merger.engine import merge
from merger.memory import merge_tensors
from merger.recipe import Recipe

ROOT = Path(__file__).parents[1]
METHODS = ("linear", "task_arithmetic", "ties", "dare_ties", "model_stock")
# Bytes, enough to reach the speed that the bus keeps up.
CROSSING = 256 << 20


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=300)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--once", nargs=3, metavar=("RECIPE", "OUT", "DEVICE"))
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(*given.once)))
        return
    device = pick_device(given.device)
    driver = open_driver(device).driver
    if driver is None:
        print("There is no GPU here that could be used, so nothing is measured.")
        return
    rate = crossing_rate(driver)
    print(f"{driver.label}: {rate['to'] / 1e9:.1f} GB/s to it, {rate['from'] / 1e9:.1f} back")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_family(folder, given.millions, given.experts)
        for method in given.methods:
            compare(folder, method, given.experts, device, rate)


def compare(folder: Path, method: str, experts: int, device: str, rate: dict[str, float]) -> None:
    """Merge once on each device, and print seconds beside the floor of the bus."""
    made = recipe_of(method, experts)
    config = folder / f"{method}.yaml"
    config.write_text(made.to_yaml(), "utf-8")
    model = sum(path.stat().st_size for path in (folder / "base").glob("*.safetensors"))
    inputs = len(made.experts) + 1
    floor = inputs * model / rate["to"] + model / rate["from"]
    found = {}
    for where in ("cpu", device):
        words = [str(config), str(folder / "out"), where]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.merge_gpu", "--once", *words],
            capture_output=True, text=True, cwd=ROOT, env={**os.environ}, check=True,
        )  # fmt: skip
        shutil.rmtree(folder / "out")
        found[where] = json.loads(done.stdout.splitlines()[-1])
    here, there = found["cpu"], found[device]
    print(
        f"{method}: {here['wall']:.2f} s on the processor, {there['wall']:.2f} s on {device} "
        f"({here['wall'] / there['wall']:.1f} times as fast); processor time {here['cpu']:.2f} "
        f"and {there['cpu']:.2f} s; the bus alone takes {floor:.2f} s"
        + "".join(f"\n  {note}" for note in there["notes"])
    )


def once(recipe: str, out: str, device: str) -> dict[str, Any]:
    """Merge once, after a small merge on the same device, and return what it took."""
    path = Path(recipe)
    made = Recipe.load(path)
    notes: list[str] = []

    def go(target: Path, tell: Any) -> None:
        merge(made, target, device=device, base_dir=path.parent, tell=tell)

    few = {"w": torch.ones(8, 8)}
    merge_tensors(made.method, [few] * len(made.experts), few, params=made.params)
    # The first merge loads libraries and compiles loops.
    go(Path(out), lambda said: None)
    shutil.rmtree(out)
    return measure(lambda: go(Path(out), notes.append)) | {"notes": notes}


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

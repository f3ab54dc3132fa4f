"""How long spectral methods take beside the bare decompositions of the same matrices.

python -m benchmarks.spectral [ROWS COLUMNS EXPERTS [METHOD …]]

4096 × 11008 is a layer of a model of 7 billion. Named methods are measured again beside what was
found before; without names everything is, the bare decompositions first.

Every method runs in a process of its own, on one thread, and is asked for one whole merge: what
it surveys beforehand counts too. Seconds are the processor's, which other programs disturb least.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merger.memory import merge_tensors
from merger.spec import METHODS

HERE = Path(__file__).parent
FAMILIES = ("spectral", "adapters")
ALSO = ("twin_per_task", "free_merging", "wudi", "doge")
# Core Space is for adapters: at full rank there is no small space to work in.
ADAPTER_RANK = {"core_space": 16}
BARE = "bare"
LIMIT = 3.0
Models = list[dict[str, Tensor]]


def methods() -> list[str]:
    """Return the methods that decompose or filter matrices, by name."""
    found = [m.name for m in METHODS.values() if m.family in FAMILIES or m.name in ALSO]
    return sorted(found, key=lambda name: name in NO_LIMIT)


def task_matrices(rows: int, columns: int, experts: int, rank: int | None) -> list[Tensor]:
    """Return one random matrix per expert, of full rank or of the rank of an adapter."""
    draw = torch.Generator().manual_seed(0)
    if rank is None:
        return [torch.randn(rows, columns, generator=draw) for _ in range(experts)]
    return [
        torch.randn(rows, rank, generator=draw) @ torch.randn(rank, columns, generator=draw)
        for _ in range(experts)
    ]


def measure(name: str, rows: int, columns: int, experts: int) -> dict[str, float]:
    """Return seconds and the memory that a merge takes beyond its models, in matrices."""
    torch.set_num_threads(1)
    taus = task_matrices(rows, columns, experts, ADAPTER_RANK.get(name))
    base = {"layers.0.w": torch.zeros(rows, columns)}
    models = [{"layers.0.w": tau} for tau in taus]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    _call(name, taus, models, base)()
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "matrices": grown * 1024 / (4 * rows * columns)}


def _call(
    name: str, taus: Sequence[Tensor], models: Models, base: Mapping[str, Tensor]
) -> Callable[[], object]:
    if name == BARE:
        return lambda: [torch.linalg.svd(tau, full_matrices=False) and None for tau in taus]
    if METHODS[name].stage == "after":
        return lambda: merge_tensors("task_arithmetic", models, base, after=[{name: {}}])
    return lambda: merge_tensors(name, models, base)


def main(rows: int, columns: int, experts: int, *names: str) -> None:
    """Measure each method, print it, and add it to the last results at once."""
    sizes = [str(size) for size in (rows, columns, experts)]
    path = HERE / "spectral.json"
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    at = results.setdefault(" × ".join(sizes), {"methods": {}})
    at["date"] = date.today().isoformat()
    found: dict[str, Any] = at["methods"]
    for name in names or (BARE, *methods()):
        command = [sys.executable, "-m", "benchmarks.spectral", "--one", name, *sizes]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found[name] = json.loads(said)
        times = found[name]["seconds"] / found[BARE]["seconds"]
        print(f"{name:14} {found[name]['seconds']:8.1f} s = {times:.2f} × bare", flush=True)
        path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        (HERE / "spectral.md").write_text(report(results), "utf-8")


def report(results: Mapping[str, Any]) -> str:
    """Return the results as a page: one column of ratios for each size."""
    rows = sorted({name for run in results.values() for name in run["methods"]} - {BARE})
    lines = [HEAD, "| method | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for name in rows:
        rank = ADAPTER_RANK.get(name)
        title = METHODS[name].title + (f", adapters of rank {rank}" if rank else "")
        cells = [_cell(run["methods"], name) for run in results.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    dates = [f"{size} on {run['date']}" for size, run in results.items()]
    bare = [f"{run['methods'][BARE]['seconds']:.0f} s" for run in results.values()]
    lines += ["", f"Rows × columns × experts: {'; '.join(dates)}. Bare: {'; '.join(bare)}.", NOTES]
    return "\n".join(lines)


def _cell(run: Mapping[str, Mapping[str, float]], name: str) -> str:
    if name not in run:
        return ""
    times = run[name]["seconds"] / run[BARE]["seconds"]
    over = times > LIMIT and name not in NO_LIMIT
    ratio = f"**{times:.2f}**" if over else f"{times:.2f}"
    return f"{ratio} ({run[name]['matrices']:.0f})"


# Each step of Adam costs as much as on any matrix: there is no decomposition to compare with.
NO_LIMIT = ("doge",)
HEAD = """# Spectral methods beside the bare decompositions

`python -m benchmarks.spectral [ROWS COLUMNS EXPERTS]`, part of `make bench`: processor time of a
merge of one matrix in single precision, as a multiple of the bare singular value decompositions
(`torch.linalg.svd`, thin) of the experts' matrices in the same run. Everything on one thread, in a
process of its own. In brackets, by how many matrices the process grew. The limit is 3; what
passes it is bold.
"""
NOTES = """
Matrices of up to 4 million entries are decomposed in double precision, which takes about twice as
long as single. OPCM takes each step twice: once to measure the whole model, once to write. DOGE is
no spectral method: it takes 400 steps of Adam, each with two products by the shared directions, in
another run 9.5 times as long as the bare ones at 2048 × 5504. 4096 × 11008 is a layer of a model
of 7 billion parameters; above 4 million entries all sizes take the same path.
"""

if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], *map(int, sys.argv[3:]))))
    else:
        rows, columns, experts = map(int, sys.argv[1:4] or (1024, 4096, 4))
        main(rows, columns, experts, *sys.argv[4:])

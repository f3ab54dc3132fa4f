"""What the doctor foretells of merges, beside what they take.

python -m benchmarks.cost FAMILY…

A family is a folder with `base` and `expert_1` to `expert_4`, as `benchmarks.merge` builds them.
Each merge is a process of its own with as many threads as there are processors. Memory is
anonymous, of the whole process: mapped files do not count. Estimates are those of a machine on
which nothing was merged yet; then the same corrected by merges of the other families here, as
`merger/pace.py` does it.
"""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.merge_meter import measure
from merger.doctor import doctor
from merger.pace import pace_of, remember
from merger.recipe import Expert, Recipe

HERE = Path(__file__).parent
EXPERTS = 4
FEWER = {"slerp": 2, "arcee_fusion": 1}
METHODS = (
    "linear", "task_arithmetic", "slerp", "karcher", "model_stock", "sce", "ties", "dare_linear",
    "dare_ties", "breadcrumbs", "della", "consensus", "emr", "iso_c",
)  # fmt: skip
SLOW = {"iso_c": 100_000_000}  # above so many parameters these are left out


def recipe_of(method: str, family: Path) -> Recipe:
    """Return a recipe with the method's own settings over a family."""
    numbers = range(1, 1 + FEWER.get(method, EXPERTS))
    experts = tuple(Expert(str(family / f"expert_{i}"), f"expert_{i}") for i in numbers)
    return Recipe(method, experts, str(family / "base"))


def child(method: str, family: Path) -> None:
    """Merge once and print what it took."""
    import torch  # noqa: F401, PLC0415  (loaded before the clock runs, as the program is)

    from merger.engine import merge  # noqa: PLC0415

    with TemporaryDirectory(dir=family) as out:
        found = measure(
            lambda: merge(recipe_of(method, family), Path(out) / "merged", device="cpu")
        )
    print("\n" + json.dumps(found))


def compare(method: str, family: Path) -> dict[str, Any]:
    """Return estimate and measurement of one merge."""
    told = doctor(recipe_of(method, family))
    command = [sys.executable, "-m", "benchmarks.cost", "--child", method, str(family)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "method": method,
        "parameters": told.parameters,
        "told_bytes": told.peak_bytes,
        "bytes": int(found["anonymous"] + found["imports"]),
        "told_seconds": told.seconds,
        "wall": found["wall"],
        "processor": found["cpu"],
    }


def correct(rows: list[dict[str, Any]]) -> None:
    """Add what the doctor would say after the merges of all other families."""
    for row in rows:
        with TemporaryDirectory() as folder:
            place = Path(folder) / "pace.json"
            for other in rows:
                if other["parameters"] != row["parameters"]:
                    remember(place, other["method"], other["told_seconds"], other["wall"])
            row["corrected"] = row["told_seconds"] * pace_of(place, row["method"]).factor


def section() -> str:
    """Return the comparison as a part of the doctor's page; empty where nothing was measured."""
    path = HERE / "cost.json"
    if not path.is_file():
        return ""
    kept = json.loads(path.read_text("utf-8"))
    rows = [
        f"| {row['method']} | {row['parameters'] / 1e6:.0f} M | {row['told_bytes'] / 1e6:.0f} | "
        f"{row['bytes'] / 1e6:.0f} | {row['told_bytes'] / row['bytes']:.2f} | "
        f"{row['told_seconds']:.1f} | {row['corrected']:.1f} | {row['wall']:.1f} | "
        f"{row['processor']:.1f} | {row['told_seconds'] / row['wall']:.2f} | "
        f"{row['corrected'] / row['wall']:.2f} |"
        for row in kept["rows"]
    ]
    return "\n".join(
        [
            "",
            "## What it foretells, beside what merges take",
            "",
            "`python -m benchmarks.cost FAMILY…`: bf16 models of a Llama's shape, a base and up",
            "to 4 experts, each merge a process of its own. Memory is that of the whole process,",
            "mapped files not counted. *Told* is said on a machine on which nothing was merged",
            "yet, by rates of another; *corrected* is what the doctor says once models of another",
            "size were merged here. Files were in the machine's cache; loading compiled loops is",
            "part of what is measured.",
            "",
            "| method | parameters | told, MB | measured, MB | ratio | told, s | corrected, s | "
            "wall, s | processor, s | told / wall | corrected / wall |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"{os.cpu_count()} processors, {kept['date']}. {kept['note']}",
            "",
        ]
    )


def main(families: list[Path], note: str = "Other programs ran beside it.") -> None:
    """Measure, and write the page of the doctor anew."""
    from benchmarks import doctor as page  # noqa: PLC0415  (it takes this part in)

    rows = []
    for family in families:
        for method in METHODS:
            size = doctor(recipe_of("linear", family)).parameters
            if size <= SLOW.get(method, size):
                rows.append(compare(method, family))
                print(rows[-1], flush=True)
    correct(rows)
    kept = {"rows": rows, "date": str(date.today()), "note": note}
    (HERE / "cost.json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    page.write_page()


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main([Path(name) for name in sys.argv[1:]])

"""How far merges agree with mergekit's, in float32 and in float64.

python -m benchmarks.merge_agreement [--millions 50] [--methods ties linear] [--family DIR]

Ours, mergekit computing in float32 and mergekit computing in float64 merge the same models by the
same settings, and write bfloat16. Entries that lie exactly at a threshold, of which there are many
in bfloat16, are counted apart where a method cuts: which of them survive is a matter of each
program's own rule, and mergekit's sort is not stable.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from benchmarks.large_family import write_family
from benchmarks.merge import SETTINGS, recipe_of, run, write_page
from merger.cuts import keep_count
from merger.mergekit.export import export_mergekit
from merger.sources import open_source

HERE = Path(__file__).parent
RESULTS = HERE / "merge_agreement.json"
DRAWN = ("dare_ties", "dare_linear", "della")
METHODS = [name for name in SETTINGS if name not in DRAWN]


def merged(kind: str, method: str, folder: Path, experts: int, dtype: str) -> Path:
    """Merge by one program, and return the folder."""
    made = recipe_of(method, experts)
    name = f"{method}-{kind}-{dtype}"
    config, out = folder / f"{name}.yaml", folder / name
    if kind == "mergescope":
        config.write_text(made.to_yaml(), "utf-8")
    else:
        plain = yaml.safe_load(export_mergekit(made).text)
        plain |= {"dtype": dtype, "out_dtype": "bfloat16"}
        config.write_text(yaml.safe_dump(plain), "utf-8")
    run(kind, config, out, 1, "warm", keep=True)
    return out


def tied(method: str, base: Tensor, experts: Sequence[Tensor]) -> Tensor:
    """Return which entries of a tensor lie exactly at a threshold of some expert."""
    settings, found = SETTINGS[method], torch.zeros(base.shape, dtype=torch.bool)
    shares = []
    if "density" in settings:
        shares = [settings["density"]]
    if "gamma" in settings:
        shares = [settings["gamma"], settings["gamma"] + settings["density"]]
    for expert in experts:
        sizes = (expert.float() - base.float()).abs()
        for share in shares:
            k = keep_count(share, sizes.numel())
            if 0 < k < sizes.numel():
                found |= sizes == sizes.kthvalue(sizes.numel() - k + 1).values
    return found


def compare(method: str, folder: Path, experts: int) -> dict[str, Any]:
    """Return how far the three merges agree, entry by entry and in length of the change."""
    outs = {
        "ours": merged("mergescope", method, folder, experts, "float32"),
        "single": merged("mergekit", method, folder, experts, "float32"),
        "double": merged("mergekit", method, folder, experts, "float64"),
    }
    models = {name: open_source(f"file:{out}") for name, out in outs.items()}
    base = open_source(f"file:{folder / 'base'}")
    rows = [open_source(f"file:{folder}/expert_{i + 1}") for i in range(experts)]
    pairs = (("ours", "single"), ("ours", "double"), ("single", "double"))
    counts = {f"{a} {b}": [0, 0, 0.0] for a, b in pairs}
    entries, ties, length = 0, 0, 0.0
    for key in base.tensors:
        start = base.read(key)
        at_cut = tied(method, start, [row.read(key) for row in rows])
        values = {name: model.read(key) for name, model in models.items()}
        entries, ties = entries + start.numel(), ties + int(at_cut.sum())
        length += float((values["double"].double() - start.double()).square().sum())
        for a, b in pairs:
            other = values[a] != values[b]
            found = counts[f"{a} {b}"]
            found[0] += int(other.sum())
            found[1] += int((other & ~at_cut).sum())
            found[2] += float((values[a].double() - values[b].double()).square().sum())
    for out in outs.values():
        shutil.rmtree(out)
    said = {
        name: {"other": other, "other_untied": untied, "length": (square / length) ** 0.5}
        for name, (other, untied, square) in counts.items()
    }
    return {"entries": entries, "tied": ties, **said}


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=50)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--family", type=Path, help="a folder to keep the models in")
    chosen = parser.parse_args(arguments)
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.family or Path(made)
        if not (folder / "base").exists():
            write_family(folder, chosen.millions, chosen.experts)
        for method in chosen.methods:
            count = len(recipe_of(method, chosen.experts).experts)
            results[method] = compare(method, folder, count)
            print(method, json.dumps(results[method]), flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    merges = HERE / "merge.json"
    write_page(json.loads(merges.read_text("utf-8")) if merges.exists() else {})


if __name__ == "__main__":
    main(sys.argv[1:])

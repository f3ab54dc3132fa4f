"""Show how far the sliders can move the bundled tasks, over three training seeds.

    python -m benchmarks.headroom                   everything; writes benchmarks/headroom.md
    python -m benchmarks.headroom --only 1 2        measure some parts again, keep the others

Settings are chosen on validation images and reported on test images. The seeds share the base;
they differ in the order of batches and in the labels that are flipped. Seed 0 is what the app
shows, here its checkpoint of step 256; the same step of the others lies in benchmarks/headroom/,
written by seeds.py. "final" is what the app opens with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.headroom_table import page
from merger import merge_tensors
from merger.intervals import Interval, mean_interval, paired_difference
from merger.runner import Runner
from merger.tasks.base import Outcomes
from merger.tasks.images import ImageBatch, ImageTask
from merger.tasks.zoo import zoo_tasks
from merger.zoo.quantise import read_delta
from merger.zoo.read import load_checkpoint, open_checkpoint, zoo_info

HERE = Path(__file__).resolve().parent
SEEDS_DIR = HERE / "headroom"
STEP = 256
PARTS = ("0", "1", "2", "final", "curve")
SCALES = (-1.0, -0.5, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0)
METHODS: Mapping[str, list[tuple[str, dict[str, Any]]]] = {
    "average": [("average", {})],
    "task arithmetic": [("task_arithmetic", {"scale": s}) for s in SCALES if 0 < s < 1],
    "TIES": [("ties", {"density": 0.2, "scale": s}) for s in (0.3, 0.5, 0.7, 1.0)],
    "DARE": [("dare_linear", {"density": 0.7, "scale": s}) for s in (0.15, 0.2, 0.3)],
    "Model Stock": [("model_stock", {})],
    "LiNeS": [
        ("task_arithmetic", {"scale": 1.0, "lines": {"alpha": a, "beta": b}})
        for a, b in ((0.1, 0.1), (0.1, 0.2), (0.15, 0.1), (0.15, 0.2), (0.1, 0.35))
    ],
}
State = dict[str, torch.Tensor]
Right = dict[str, Outcomes]


@dataclass(frozen=True, slots=True)
class Setting:
    """A point that the sliders can reach."""

    method: str
    params: dict[str, Any]
    weights: tuple[float, ...] | None = None

    def __str__(self) -> str:
        shown = ", ".join(f"{k} {v}" for k, v in self.params.items())
        if self.weights is not None:
            shown += f"{', ' if shown else ''}weights {'/'.join(f'{w:g}' for w in self.weights)}"
        return f"{self.method} ({shown})" if shown else self.method


class Bench:
    """The base, the experts of one seed, and a model to run their merges in."""

    def __init__(self, seed: int, step: int | None = STEP) -> None:
        self.tasks: dict[str, ImageTask] = {task.name: task for task in zoo_tasks()}
        self.base = load_checkpoint("base")
        self.names = tuple(zoo_info().names())
        self.experts = [expert_of(name, seed, step, self.base) for name in self.names]
        self._known: dict[tuple[str, str], Right] = {}
        reference = open_checkpoint("base")
        shapes = {key: info.shape for key, info in reference.tensors.items()}
        self.runner = Runner(reference.config() or {}, shapes)

    def merged(self, setting: Setting, experts: list[State] | None = None) -> State:
        """Merge with the same code that the app and the command line use."""
        params = dict(setting.params)
        lines = params.pop("lines", None)
        return merge_tensors(
            setting.method,
            experts if experts is not None else self.experts,
            base=self.base,
            params=params,
            weights=setting.weights,
            after=[{"lines": lines}] if lines else (),
            names=self.names,
        )

    def outcomes(self, tensors: State, split: str, tasks: tuple[str, ...] = ()) -> Right:
        """Score tensors on all tasks, or on some."""
        chosen = tasks or tuple(self.tasks)
        self.runner.load(tensors)
        parts = [(t := self.tasks[n], split, np.arange(t.splits[split])) for n in chosen]
        return dict(zip(chosen, ImageBatch(parts).predict(self.runner), strict=True))

    def score(self, setting: Setting, split: str, tasks: tuple[str, ...] = ()) -> Right:
        """Merge, then score; a setting that was scored on all tasks is not scored again."""
        key = (str(setting), split)
        if tasks and key not in self._known:
            return self.outcomes(self.merged(setting), split, tasks)
        if key not in self._known:
            self._known[key] = self.outcomes(self.merged(setting), split)
        return self._known[key]


def expert_of(name: str, seed: int, step: int | None, base: State) -> State:
    """Return a checkpoint of an expert trained with this seed."""
    if seed == 0:
        return load_checkpoint(name, step)
    return read_delta(SEEDS_DIR / f"seed-{seed}" / f"{name}.safetensors", base)


def mean(right: Right) -> float:
    """Return the mean accuracy over tasks."""
    return float(np.mean([found.value for found in right.values()]))


def difference(one: Right, two: Right) -> Interval:
    """Return the mean over tasks of paired changes, whole font families resampled."""
    parts = []
    for task, found in one.items():
        clusters = found.clusters if found.clustered else None
        parts.append(paired_difference(found.top, two[task].top, clusters))
    return mean_interval(parts)


def reach(bench: Bench) -> list[dict[str, Any]]:
    """Find, task by task, the best and the worst setting of the sliders of task arithmetic."""
    count = len(bench.names)
    shared = [Setting("task_arithmetic", {"scale": s}) for s in SCALES]
    found = {str(s): (s, bench.score(s, "validation")) for s in shared}
    rows = []
    for turn, task in enumerate(bench.names):
        tried = [(right[task].value, setting) for setting, right in found.values()]
        for own in (-1.0, 0.7, 1.0):
            weights = tuple(own if i == turn else 0.0 for i in range(count))
            setting = Setting("task_arithmetic", {"scale": 1.0}, weights)
            tried.append((bench.score(setting, "validation", (task,))[task].value, setting))
        best = max(tried, key=lambda pair: pair[0])[1]
        worst = min(tried, key=lambda pair: pair[0])[1]
        high = bench.score(best, "test", (task,))
        low = bench.score(worst, "test", (task,))
        gap = difference(high, low)
        rows.append(
            {
                "task": task,
                "n": len(high[task]),
                "best": high[task].value,
                "best_setting": str(best),
                "worst": low[task].value,
                "worst_setting": str(worst),
                "gap": list(gap),
            }
        )
    return rows


def compare(bench: Bench) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tune every method on validation, score it on test, and compare all pairs."""
    rows, kept = [], {}
    singles = {
        name: bench.outcomes(expert, "test", (name,))[name]
        for name, expert in zip(bench.names, bench.experts, strict=True)
    }
    base = bench.outcomes(bench.base, "test")
    rows.append({"method": "base", "setting": "", "accuracy": mean(base), **_each(base)})
    rows.append({"method": "own expert", "setting": "", "accuracy": mean(singles)})
    rows[-1] |= _each(singles)
    for name, grid in METHODS.items():
        settings = [Setting(method, params) for method, params in grid]
        tuned = max(settings, key=lambda s: mean(bench.score(s, "validation")))
        kept[name] = bench.score(tuned, "test")
        rows.append({"method": name, "setting": str(tuned), "accuracy": mean(kept[name])})
        rows[-1] |= _each(kept[name])
    kept = {"base": base, **kept}
    names = list(kept)
    pairs = [
        {"pair": [two, one], "change": list(difference(kept[two], kept[one]))}
        for turn, one in enumerate(names)
        for two in names[turn + 1 :]
    ]
    return rows, pairs


def _each(right: Right) -> dict[str, Any]:
    return {"tasks": {name: found.value for name, found in right.items()}}


def curve(bench: Bench) -> list[dict[str, Any]]:
    """Follow the bundled experts over their training steps: alone, averaged, added at 0.3."""
    rows = []
    for step in zoo_info().steps(bench.names[0]):
        states = [load_checkpoint(name, step) for name in bench.names]
        single = {
            name: bench.outcomes(state, "test", (name,))[name]
            for name, state in zip(bench.names, states, strict=True)
        }
        rows.append({"step": step, "own expert": mean(single)})
        for label, setting in (
            ("average", Setting("average", {})),
            ("task arithmetic 0.3", Setting("task_arithmetic", {"scale": 0.3})),
            ("TIES 0.2, 1", Setting("ties", {"density": 0.2, "scale": 1.0})),
        ):
            rows[-1][label] = mean(bench.outcomes(bench.merged(setting, states), "test"))
    return rows


def measured(part: str) -> Any:
    """Measure one part of the page."""
    if part == "curve":
        return curve(Bench(0))
    bench = Bench(0, None) if part == "final" else Bench(int(part))
    rows, pairs = compare(bench)
    for row in rows:
        print(f"  {row['method']:16} {100 * row['accuracy']:5.1f} %  {row['setting']}", flush=True)
    return {"reach": reach(bench), "methods": rows, "pairs": pairs}


def main() -> None:
    """Measure, print, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, default=SEEDS_DIR / "results.json")
    parser.add_argument("--out", type=Path, default=HERE / "headroom.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = args.json.is_file() and args.only != list(PARTS)
    found: dict[str, Any] = json.loads(args.json.read_text("utf-8")) if known else {}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    for part in args.only:
        print(f"measuring: {part}", flush=True)
        found[part] = measured(part)
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    args.out.write_text(page(found), encoding="utf-8")
    print(page(found))


if __name__ == "__main__":
    main()

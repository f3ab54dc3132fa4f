"""Write the zoo's index: what it holds, where it comes from, how good it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from merger.zoo.data import N_CALIBRATION, TaskImages
from merger.zoo.gather import Slice
from merger.zoo.heads import N_EXEMPLARS, N_UNLABELLED
from merger.zoo.info import VERSION
from merger.zoo.places import BASE
from merger.zoo.scripts import CLASSES

Counts = Mapping[str, tuple[int, int]]
TITLES = {"mnist": "MNIST digits", "fashion": "Fashion-MNIST"}
HONEST = "real glyphs and photographs under synthetic capture conditions"


@dataclass(frozen=True, slots=True)
class ExpertScores:
    """Right answers of an expert on its own task: by step, then by split. Step 0 is the base."""

    name: str
    scores: Mapping[int, Counts]
    content: str


def write(
    path: Path, slice: Slice, seed: int, held: float, experts: Sequence[ExpertScores]
) -> None:
    """Write zoo.yaml."""
    said: dict[str, Any] = {
        "version": VERSION,
        "images": HONEST,
        "base": {
            "name": BASE,
            "held_out_accuracy": round(held, 4),
            "accuracy": {e.name: _counts(e.scores[0]) for e in experts},
        },
        "tasks": [_task(task, e.content) for task, e in zip(slice.tasks, experts, strict=True)],
        "experts": [_expert(e) for e in experts],
        "settings": _settings(slice, seed),
        "sources": slice.sources,
    }
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")


def fingerprint(path: Path) -> str:
    """Return a short word that changes when the file changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _task(task: TaskImages, content: str) -> dict[str, Any]:
    spec = task.spec
    return {
        "name": spec.name,
        "title": TITLES.get(spec.name, f"{spec.name.capitalize()} letters"),
        "metric": "accuracy",
        "classes": list(spec.classes),
        "condition": spec.words,
        "n": {
            "calibration": min(N_CALIBRATION, len(task.train) - 1),
            "validation": len(task.validation),
            "test": len(task.test),
        },
        "families": {
            split: len(set(getattr(task, split).family.tolist()))
            for split in ("train", "validation", "test")
        },
        "content": content,
    }


def _expert(expert: ExpertScores) -> dict[str, Any]:
    kept = [
        {"step": step, "accuracy": _counts(counts)}
        for step, counts in expert.scores.items()
        if step
    ]
    return {"name": expert.name, "task": expert.name, "checkpoints": kept}


def _counts(counts: Counts) -> dict[str, dict[str, int]]:
    return {split: {"right": right, "n": n} for split, (right, n) in counts.items()}


def _settings(slice: Slice, seed: int) -> dict[str, Any]:
    plain = {**asdict(slice.pretrain), "betas": list(slice.pretrain.betas)}
    expert = {**asdict(slice.experts), "steps": list(slice.experts.steps)}
    return {
        "seed": seed,
        "threads": 1,
        "shape": slice.shape,
        "base": {**plain, "images": len(slice.glyphs.labels), "classes": len(CLASSES)},
        "expert": {**expert, "images": len(slice.tasks[0].train) - N_CALIBRATION},
        "head": {"unlabelled": N_UNLABELLED, "exemplars": N_EXEMPLARS, "sharpness": 12.0},
    }

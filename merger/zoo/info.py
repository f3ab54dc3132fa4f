"""What the bundled zoo holds, read from its index; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from merger.errors import SourceError, did_you_mean
from merger.zoo.places import BASE, INDEX, ZOO_DIR, delta_file, model_folder, task_file

VERSION = 1
Scores = Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task: its classes, how many images each split has, how they were captured."""

    name: str
    title: str
    classes: tuple[str, ...]
    condition: str
    n: Mapping[str, int]
    families: Mapping[str, int]
    content: str
    metric: str = "accuracy"

    @property
    def splits(self) -> Mapping[str, int]:
        """The number of images by split."""
        return self.n


@dataclass(frozen=True, slots=True)
class ExpertInfo:
    """One checkpoint of an expert; `path` is its folder, None where only a delta is kept."""

    name: str
    task: str
    step: int
    path: Path | None
    scores: Scores = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task as the score panels need it, with the best own score of its expert by split."""

    name: str
    title: str
    expert: str
    splits: Mapping[str, int]
    content: str
    best: Mapping[str, float]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ZooInfo:
    """Everything the index says."""

    base: str
    tasks: tuple[TaskInfo, ...]
    experts: tuple[ExpertInfo, ...]
    base_scores: Mapping[str, Scores]
    settings: Mapping[str, Any]

    def names(self) -> tuple[str, ...]:
        """Return the experts' names in the zoo's order."""
        return tuple(dict.fromkeys(expert.name for expert in self.experts))

    def steps(self, expert: str) -> tuple[int, ...]:
        """Return the steps at which an expert's checkpoints were kept, the final one last."""
        self._check(expert, self.names())
        return tuple(e.step for e in self.experts if e.name == expert)

    def expert(self, name: str, step: int | None = None) -> ExpertInfo:
        """Return one checkpoint; without a step the final one."""
        steps = self.steps(name)
        wanted = steps[-1] if step is None else step
        if wanted not in steps:
            raise SourceError(
                f"zoo:{name}@{wanted}: there is no checkpoint of that step.",
                f"Kept are: {', '.join(map(str, steps))}.",
            )
        return next(e for e in self.experts if (e.name, e.step) == (name, wanted))

    def task(self, name: str) -> TaskInfo:
        """Return the task of that name."""
        self._check(name, [task.name for task in self.tasks], "task")
        return next(task for task in self.tasks if task.name == name)

    def accuracy(
        self, expert: str, step: int | None = None, split: str = "test"
    ) -> tuple[float, int]:
        """Return an expert's accuracy on its own task, and the number of images behind it."""
        scores = self.expert(expert, step).scores
        self._check(split, scores, "split")
        return scores[split]

    def entries(self) -> tuple[TaskEntry, ...]:
        """Return the tasks as the score panels need them."""
        return tuple(
            TaskEntry(t.name, t.title, t.name, t.n, t.content, self._best(t.name), t.classes)
            for t in self.tasks
        )

    def to_json(self) -> dict[str, Any]:
        """Return the shape of `zoo list --json`; accuracies are those on test images."""
        return {
            "base": f"zoo:{self.base}",
            "experts": [
                {
                    "source": f"zoo:{e.name}@{e.step}",
                    "name": e.name,
                    "task": e.task,
                    "step": e.step,
                    "accuracy": e.scores["test"][0],
                }
                for e in self.experts
            ],
        }

    def _best(self, expert: str) -> dict[str, float]:
        mine = [e.scores for e in self.experts if e.name == expert]
        return {split: max(scores[split][0] for scores in mine) for split in mine[0]}

    @staticmethod
    def _check(name: str, known: Any, kind: str = "expert") -> None:
        if name not in known:
            raise SourceError(f"zoo: there is no {kind} {name!r}.", did_you_mean(name, known))


def zoo_info(path: Path = ZOO_DIR) -> ZooInfo:
    """Read the index of a zoo."""
    index = path / INDEX
    try:
        stamp = index.stat().st_mtime_ns
    except OSError as error:
        raise SourceError(
            f"{path} holds no zoo: {INDEX} is missing.", "Run `make zoo` to build it again."
        ) from error
    return _read(path, stamp)


@lru_cache(maxsize=8)
def _read(path: Path, stamp: int) -> ZooInfo:
    said = yaml.safe_load((path / INDEX).read_text(encoding="utf-8"))
    if said.get("version") != VERSION:
        raise SourceError(
            f"{path / INDEX}: version must be {VERSION}, got {said.get('version')}.",
            "Run `make zoo` to build it again.",
        )
    return ZooInfo(
        base=said["base"]["name"],
        tasks=tuple(_task(entry) for entry in said["tasks"]),
        experts=tuple(_experts(path, said["experts"])),
        base_scores={name: _scores(s) for name, s in said["base"]["accuracy"].items()},
        settings=said["settings"],
    )


def _task(entry: Mapping[str, Any]) -> TaskInfo:
    return TaskInfo(
        name=entry["name"],
        title=entry["title"],
        classes=tuple(entry["classes"]),
        condition=entry["condition"],
        n=entry["n"],
        families=entry["families"],
        content=entry["content"],
    )


def _experts(path: Path, entries: list[Mapping[str, Any]]) -> list[ExpertInfo]:
    found = []
    for entry in entries:
        last = entry["checkpoints"][-1]["step"]
        for kept in entry["checkpoints"]:
            folder = model_folder(path, entry["name"]) if kept["step"] == last else None
            scores = _scores(kept["accuracy"])
            found.append(ExpertInfo(entry["name"], entry["task"], kept["step"], folder, scores))
    return found


def _scores(entry: Mapping[str, Mapping[str, int]]) -> Scores:
    """Counts are kept, so that accuracies are exact."""
    return {split: (s["right"] / s["n"], s["n"]) for split, s in entry.items()}


__all__ = [
    "BASE",
    "ZOO_DIR",
    "ExpertInfo",
    "TaskEntry",
    "TaskInfo",
    "ZooInfo",
    "delta_file",
    "model_folder",
    "task_file",
    "zoo_info",
]

"""Runs one architecture over its tasks, and remembers what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from merger.checkpoint import Checkpoint
from merger.errors import TaskError
from merger.lru import Lru
from merger.model_thread import MODELS
from merger.parts import Parts, Tensors, tensors_for
from merger.progress import Progress, Report, check_cancel
from merger.runner import Runner
from merger.tasks.base import Outcomes, Task, check_split

# Part of every key under which answers are kept: raise it when the same tensors score otherwise.
SCORER_VERSION = 1
FLOATS = ("F16", "BF16", "F32", "F64")
MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FullScore:
    """What a model answered on every example of a split.

    Args:
        digest: The recipe's digest, or the content id of a saved model.
        split: "validation" or "test".
        outcomes: Answers by task name.
    """

    digest: str
    split: str
    outcomes: Mapping[str, Outcomes]


class Store(Protocol):
    """What keeps answers longer than a process; see `kept.py`."""

    def get(self, digest: str, task: Task, split: str) -> Outcomes | None:
        """Return what a model answered to one task, or None."""
        ...

    def put(self, digest: str, task: Task, split: str, outcomes: Outcomes) -> None:
        """Keep what a model answered to one task."""
        ...


class Scorer:
    """A model of one architecture and the tasks it can be scored on.

    Args:
        reference: Any checkpoint of the architecture; only its config and headers are read.
        tasks: What to score.
        store: Where answers outlive the process; None keeps them in memory alone.
    """

    def __init__(
        self, reference: Checkpoint, tasks: Sequence[Task], store: Store | None = None
    ) -> None:
        self.tasks = tuple(tasks)
        self._store = store
        self.label = reference.label
        config = reference.config()
        if config is None:
            raise TaskError(
                f"{reference.label}: scores need its config.json.", "Put it beside the weights."
            )
        self._config = config
        self._shapes = float_shapes(reference)
        self._loaded: object = None
        self._kept: Lru[Outcomes] = Lru(MEMORY_BYTES, lambda kept: 24 * len(kept))

    @cached_property
    def runner(self) -> Runner:
        """The model itself, built when it is first needed; large ones take seconds."""
        return MODELS.run(lambda: Runner(self._config, self._shapes))

    def load(self, tensors: Mapping[str, Tensor], token: object) -> None:
        """Put numbers into the model, in the model's thread only.

        Args:
            tensors: The numbers by name on disk.
            token: Stands for these numbers; while it is the last one loaded, nothing is copied.
        """
        if self._loaded is not token:
            self._loaded = None
            self.runner.load(tensors)
            self._loaded = token

    def forget(self) -> None:
        """Let go of all remembered answers."""
        self._kept.clear()

    def known(
        self, digest: str, split: str, tasks: Sequence[Task] | None = None
    ) -> FullScore | None:
        """Return the remembered answers of a model to all of these tasks, or None."""
        chosen = self.tasks if tasks is None else tasks
        kept = {task.name: self._kept.get(_key(digest, task, split)) for task in chosen}
        found = {name: outcomes for name, outcomes in kept.items() if outcomes is not None}
        if len(found) < len(chosen):
            return None
        return FullScore(digest, split, MappingProxyType(found))

    def full(
        self,
        digest: str,
        tensors: Callable[[], Tensors | Parts],
        split: str = "validation",
        *,
        tasks: Sequence[Task] | None = None,
        report: Report | None = None,
        cancel: Event | None = None,
    ) -> FullScore:
        """Answer every example of a split; what was answered before is not run again.

        Args:
            digest: Names these numbers; answers are remembered under it.
            tensors: Returns the numbers by name on disk, or one model per expert; called only
                where something is to run.
            split: "validation" or "test".
            tasks: Which tasks; None means all.
            report: Told the number of examples done.
            cancel: Heard before each chunk.
        """
        check_split(split)
        chosen = self.tasks if tasks is None else tuple(tasks)
        kept = {task.name: self._remembered(digest, task, split) for task in chosen}
        missing = [task for task in chosen if kept[task.name] is None]
        if missing:
            numbers = tensors()
            follow = _Follower(sum(task.splits[split] for task in missing), report, cancel)
            for task in missing:
                answered = self._answer(task, tensors_for(numbers, task), split, follow)
                self._kept.put(_key(digest, task, split), answered)
                if self._store is not None:
                    self._store.put(digest, task, split, answered)
                kept[task.name] = answered
        return FullScore(
            digest, split, MappingProxyType({name: o for name, o in kept.items() if o is not None})
        )

    def _remembered(self, digest: str, task: Task, split: str) -> Outcomes | None:
        key = _key(digest, task, split)
        found = self._kept.get(key)
        if found is None and self._store is not None:
            found = self._store.get(digest, task, split)
            if found is not None:
                self._kept.put(key, found)
        return found

    def _answer(
        self, task: Task, tensors: Mapping[str, Tensor], split: str, follow: _Follower
    ) -> Outcomes:
        token = object()

        def pause(done: int) -> None:
            follow.at(done, task.title)
            MODELS.let_urgent_in()
            self.load(tensors, token)

        def job() -> Outcomes:
            return task.predict(self.runner, split, pause=pause)

        outcomes = MODELS.run(job)
        follow.finish(task.splits[split], task.title)
        return outcomes


def float_shapes(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Return the shape of each floating-point tensor of a checkpoint, by its name on disk."""
    return {
        key: tuple(info.shape) for key, info in checkpoint.tensors.items() if info.dtype in FLOATS
    }


def read_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Read the floating-point tensors of a checkpoint as they are stored."""
    return {
        key: checkpoint.read(key).reshape(shape) for key, shape in float_shapes(checkpoint).items()
    }


class _Follower:
    """Counts examples over several tasks, reports them and hears of a cancel."""

    def __init__(self, total: int, report: Report | None, cancel: Event | None) -> None:
        self._total, self._report, self._cancel = total, report, cancel
        self._before = 0

    def at(self, done: int, note: str) -> None:
        check_cancel(self._cancel)
        if self._report is not None:
            self._report(Progress(self._before + done, self._total, "examples", note))

    def finish(self, count: int, note: str) -> None:
        self._before += count
        if self._report is not None:
            self._report(Progress(self._before, self._total, "examples", note))


def _key(digest: str, task: Task, split: str) -> tuple[object, ...]:
    return (digest, task.name, task.content, split, SCORER_VERSION)

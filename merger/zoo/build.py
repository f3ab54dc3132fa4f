"""Build the zoo again: draw, train, quantise, score, write."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import ViTModel

from merger.naming import quiet_transformers
from merger.progress import Progress, Report
from merger.threads import one_thread
from merger.zoo import index
from merger.zoo.data import N_CALIBRATION, TaskImages
from merger.zoo.gather import Slice, gather
from merger.zoo.head import Head
from merger.zoo.heads import count_right, make_head
from merger.zoo.model import load_folder, make_config, model_with, read_tensors, save_folder
from merger.zoo.places import BASE, INDEX, ZOO_DIR, delta_file, model_folder, task_file
from merger.zoo.pretrain import train_base
from merger.zoo.quantise import read_delta, write_delta
from merger.zoo.store import Store
from merger.zoo.train import train_expert

State = dict[str, torch.Tensor]


def build_zoo(
    out: Path = ZOO_DIR,
    *,
    seed: int = 0,
    slice: Slice | None = None,
    report: Report | None = None,
    cache: Path | None = None,
) -> Path:
    """Train the base and the experts again and write the zoo's folder.

    Args:
        out: The folder to write; what was there is replaced when the new one is complete.
        seed: Decides drawings, splits, first weights, batches and flipped labels.
        slice: Images and settings of a smaller zoo; None gathers the whole one.
        report: Hears how far the build is.
        cache: A folder that keeps drawings and trained weights, to go on after a break.
    """
    quiet_transformers()
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_thread(), tempfile.TemporaryDirectory(dir=out.parent, prefix=".zoo-") as scratch:
        part = Path(scratch) / "zoo"
        _Builder(part, Path(scratch), Store(cache), seed, slice, report).run()
        if out.exists():
            shutil.rmtree(out)
        part.replace(out)
    return out


class _Builder:
    """One build: the folder being written, and what has been made so far."""

    def __init__(
        self,
        part: Path,
        scratch: Path,
        store: Store,
        seed: int,
        slice: Slice | None,
        report: Report | None,
    ) -> None:
        self.part, self.scratch, self.store, self.seed = part, scratch, store, seed
        self.report = report or (lambda progress: None)
        self.note("drawing glyphs", 0)
        self.slice = slice or gather(store, seed)
        self.done = 0

    def note(self, what: str, steps: int) -> None:
        self.done = getattr(self, "done", 0) + steps
        self.report(Progress(self.done, self.total(), "steps", what))

    def total(self) -> int:
        if not hasattr(self, "slice"):
            return 0
        return self.slice.pretrain.steps + len(self.slice.tasks) * self.slice.experts.steps[-1]

    def run(self) -> None:
        """Make everything in order; the index comes last."""
        self.base_folder = model_folder(self.part, BASE)
        save_folder(self._base(), self.base_folder)
        base = load_folder(self.base_folder)
        entries = []
        for task in self.slice.tasks:
            head = make_head(base, task.train.images, task.train.labels)
            write_task(task_file(self.part, task.spec.name), task, head)
            entries.append(self._expert(base, task, head))
        index.write(self.part / INDEX, self.slice, self.seed, self.val_base, entries)

    def _base(self) -> ViTModel:
        s = self.slice
        config = make_config(**s.shape)

        def note(step: int, loss: float) -> None:
            if step % 50 == 0:
                self.note("training the base", 50)

        def make() -> State:
            model, held = train_base(s.glyphs, config, s.pretrain, self.seed, note)
            return {**model.state_dict(), "held": torch.tensor(held)}

        key = (s.pretrain, s.shape, self.seed, len(s.glyphs.labels))
        state = dict(self.store.get("base", key, make))
        self.val_base = float(state.pop("held"))
        model = ViTModel(config)
        model.load_state_dict(state)
        return model

    def _expert(self, base: ViTModel, task: TaskImages, head: Head) -> index.ExpertScores:
        name = task.spec.name
        steps = self.slice.experts.steps
        trained = expert_states(self.store, self.slice, base, task, head, self.seed)
        self.note(f"trained {name}", steps[-1])
        start = read_tensors(self.base_folder)
        scores = {0: score(base, task, head)}
        for step in steps:
            model = ViTModel(base.config)
            model.load_state_dict(trained[step])
            folder = model_folder(self.part, name)
            if step == steps[-1]:
                save_folder(model, folder)
            else:
                save_folder(model, self.scratch / "full")
                about = {"base": BASE, "expert": name, "step": str(step)}
                path = delta_file(self.part, name, step)
                write_delta(path, read_tensors(self.scratch / "full"), start, about)
                folder = self.scratch / "decoded"
                model_with(read_delta(path, start), self.base_folder, folder)
            # Scored as shipped: after rounding, not as it left the optimiser.
            scores[step] = score(load_folder(folder), task, head)
        return index.ExpertScores(name, scores, index.fingerprint(task_file(self.part, name)))


def expert_states(
    store: Store, slice: Slice, base: ViTModel, task: TaskImages, head: Head, seed: int
) -> dict[int, State]:
    """Train an expert, or find it in the cache; returns the weights at every kept step."""

    def make() -> State:
        kept: State = {}

        def keep(step: int, model: ViTModel) -> None:
            for name, tensor in model.state_dict().items():
                kept[f"{step}/{name}"] = tensor.detach().clone()

        train = task.train.take(slice_of(task))
        train_expert(base, head, train, slice.experts, seed, keep)
        return kept

    mark = float(sum(p.detach().double().sum() for p in base.parameters()))
    key = (slice.experts, task.spec, seed, len(task.train), mark)
    flat = store.get(f"expert-{task.spec.name}", key, make)
    states: dict[int, State] = {}
    for key_name, tensor in flat.items():
        step, name = key_name.split("/", 1)
        states.setdefault(int(step), {})[name] = tensor
    return states


def slice_of(task: TaskImages) -> np.ndarray:
    """Choose the images an expert is trained on: all but the calibration images at the end."""
    return np.arange(max(1, len(task.train) - N_CALIBRATION))


def score(model: ViTModel, task: TaskImages, head: Head) -> dict[str, tuple[int, int]]:
    """Count right answers on validation and test."""
    return {
        split: (count_right(model, head, s.images, s.labels), len(s))
        for split, s in (("validation", task.validation), ("test", task.test))
    }


def write_task(path: Path, task: TaskImages, head: Head) -> None:
    """Write a task's images, labels, families and head; calibration images come without labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = task.train.take(np.arange(max(1, len(task.train) - N_CALIBRATION), len(task.train)))
    parts = (hidden, task.validation, task.test)
    unlabelled = np.full(len(hidden), -1)
    np.savez_compressed(
        path,
        images=np.concatenate([p.images for p in parts]),
        labels=np.concatenate([unlabelled, parts[1].labels, parts[2].labels]).astype(np.int16),
        family=np.concatenate([p.family for p in parts]).astype(np.int32),
        split=np.repeat(np.arange(3, dtype=np.uint8), [len(p) for p in parts]),
        mu=head.mu.numpy(),
        sd=head.sd.numpy(),
        vectors=head.vectors.numpy(),
    )

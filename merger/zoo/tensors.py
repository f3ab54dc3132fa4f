"""Open what the zoo holds: checkpoints, images, heads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from merger.checkpoint import Checkpoint, FileCheckpoint, MemoryCheckpoint
from merger.errors import SourceError, did_you_mean
from merger.zoo.head import Head
from merger.zoo.info import ZooInfo, zoo_info
from merger.zoo.places import BASE, SPLITS, ZOO_DIR, delta_file, model_folder, task_file
from merger.zoo.quantise import read_delta

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class TaskData:
    """Images (n, 28, 28) uint8, their labels and font families (n,), the classes' names."""

    images: np.ndarray
    labels: np.ndarray
    family: np.ndarray
    classes: tuple[str, ...]


def load_checkpoint(
    name: str, step: int | None = None, path: Path = ZOO_DIR
) -> dict[str, torch.Tensor]:
    """Read the tensors of the base or of an expert, by their names on disk, in float16.

    The final checkpoint comes as stored. An earlier one is the base plus its stored change.
    """
    info = zoo_info(path)
    folder = checkpoint_folder(name, step, path)
    if folder is not None:
        return load_file(folder / WEIGHTS)
    base = load_file(model_folder(path, BASE) / WEIGHTS)
    return read_delta(delta_file(path, name, info.expert(name, step).step), base)


def checkpoint_folder(name: str, step: int | None = None, path: Path = ZOO_DIR) -> Path | None:
    """Return the Hugging Face folder of a checkpoint, None where it is kept as a change only."""
    info = zoo_info(path)
    if name != BASE:
        return _expert(info, name, step)
    if step not in (None, 0):
        raise SourceError(f"zoo:base@{step}: the base has no steps.", "Leave the step out.")
    return model_folder(path, BASE)


def _expert(info: ZooInfo, name: str, step: int | None) -> Path | None:
    if name not in info.names():
        raise SourceError(
            f"zoo:{name}: there is no such model.", did_you_mean(name, (BASE, *info.names()))
        )
    return info.expert(name, step).path


def open_checkpoint(name: str, step: int | None = None, path: Path = ZOO_DIR) -> Checkpoint:
    """Open the base or an expert the way every other source is opened."""
    folder = checkpoint_folder(name, step, path)
    if folder is not None:
        return FileCheckpoint(folder, name)
    tensors = load_checkpoint(name, step, path)
    return MemoryCheckpoint(tensors, f"{name}@{step}", folder=model_folder(path, name))


def load_task(name: str, split: str, path: Path = ZOO_DIR) -> TaskData:
    """Read the images of one split of a task."""
    classes = zoo_info(path).task(name).classes
    if split not in SPLITS:
        raise SourceError(f"{name}: there is no split {split!r}.", did_you_mean(split, SPLITS))
    with np.load(task_file(path, name), allow_pickle=False) as stored:
        kept = stored["split"] == SPLITS.index(split)
        images, labels, family = (stored[k][kept] for k in ("images", "labels", "family"))
    return TaskData(images, labels.astype(np.int64), family.astype(np.int64), classes)


def load_head(task: str, path: Path = ZOO_DIR) -> Head:
    """Read the fixed head of a task."""
    zoo_info(path).task(task)
    with np.load(task_file(path, task), allow_pickle=False) as stored:
        return Head(*(torch.from_numpy(stored[name]) for name in ("mu", "sd", "vectors")))

"""Keep what a build has made, so that a broken or repeated build needn't start over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from merger.zoo.data import Split, TaskImages, TaskSpec
from merger.zoo.fonts import Glyphs

State = dict[str, torch.Tensor]


class Store:
    """A folder of named tensors; without a folder everything is made each time."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, name: str, key: object, make: Callable[[], State]) -> State:
        """Return what `make` makes, from disk if it was made before from the same `key`."""
        if self.folder is None:
            return make()
        mark = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
        path = self.folder / f"{name}-{mark}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            save_file({k: v.contiguous() for k, v in make().items()}, part)
            part.replace(path)
        return load_file(path)


def glyphs_out(glyphs: Glyphs) -> State:
    """Write drawn glyphs as tensors."""
    return {
        "images": torch.from_numpy(glyphs.images),
        "labels": torch.from_numpy(glyphs.labels),
        "family": torch.from_numpy(glyphs.family),
    }


def glyphs_in(state: State) -> Glyphs:
    """Read glyphs back."""
    return Glyphs(*(state[name].numpy() for name in ("images", "labels", "family")))


def task_out(task: TaskImages) -> State:
    """Write the images of a task as tensors."""
    state: State = {}
    for side in ("train", "validation", "test"):
        split: Split = getattr(task, side)
        for name in ("images", "labels", "family"):
            array = np.ascontiguousarray(getattr(split, name))
            state[f"{side}.{name}"] = torch.from_numpy(array)
    return state


def task_in(spec: TaskSpec, state: State) -> TaskImages:
    """Read the images of a task back."""
    splits = [
        Split(*(state[f"{side}.{name}"].numpy() for name in ("images", "labels", "family")))
        for side in ("train", "validation", "test")
    ]
    return TaskImages(spec, *splits)

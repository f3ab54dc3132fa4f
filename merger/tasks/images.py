"""Image classification with fixed heads: the accuracy of a backbone on the zoo's tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from merger.errors import TaskError
from merger.runner import Runner
from merger.tasks.base import Metric, Outcomes, Pause, check_split
from merger.zoo.head import Head, head_logits

CHUNK = 64
SHIFT, SPREAD = 0.25, 0.35


class Examples(Protocol):
    """Images (n, 28, 28) uint8 with a label each, and the font family each was drawn from."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def labels(self) -> np.ndarray: ...

    @property
    def family(self) -> np.ndarray: ...


@dataclass(frozen=True)
class ImageTask:
    """One classification task: images are read when they are first needed.

    Args:
        name: How the task is called.
        title: How it is called on screen.
        expert: Name of the expert that was trained for it.
        splits: Number of images by split.
        load: Reads the images of a split.
        load_head: Reads the fixed head.
        content: Changes when images or head change.
        best_scores: The best accuracy that a checkpoint of its expert reaches, by split.
        classes: What the labels stand for, in order.
    """

    name: str
    title: str
    expert: str | None
    splits: Mapping[str, int]
    load: Callable[[str], Examples]
    load_head: Callable[[], Head]
    content: str = ""
    best_scores: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    metric: Metric = "accuracy"
    higher_is_better: bool = True

    @cached_property
    def head(self) -> Head:
        """The fixed head, read once."""
        return self.load_head()

    @cached_property
    def _kept(self) -> dict[str, Examples]:
        return {}

    def examples(self, split: str) -> Examples:
        """Return the images of a split, read once."""
        check_split(split)
        # Two threads may both read; the answers are equal, so the last one may stay.
        if split not in self._kept:
            self._kept[split] = self.load(split)
        return self._kept[split]

    def best(self, split: str) -> float | None:
        """Return the best accuracy that a checkpoint of its expert reaches, if known."""
        return self.best_scores.get(split)

    def strata(self, split: str) -> np.ndarray:
        """Return the label of each image: a subset takes the same share of each class."""
        return self.examples(split).labels

    def predict(
        self,
        runner: Runner,
        split: str,
        *,
        index: np.ndarray | None = None,
        pause: Pause | None = None,
    ) -> Outcomes:
        """Classify the images of a split, or those of `index`."""
        chosen = np.arange(len(self.examples(split).labels)) if index is None else index
        return ImageBatch([(self, split, chosen)]).predict(runner, pause)[0]

    def probabilities(self, runner: Runner, images: np.ndarray) -> np.ndarray:
        """Return how likely each class is for uint8 images (n, 28, 28), shape (n, classes)."""
        features = backbone_features(runner, images)
        return torch.softmax(head_logits(features, self.head), 1).numpy()

    def class_named(self, label: int) -> str:
        """Return what a label stands for."""
        return self.classes[label] if label < len(self.classes) else str(label)


class ImageBatch:
    """Images of several tasks as one batch: the backbone is shared, only the heads differ.

    Args:
        parts: Task, split and the numbers of the chosen images.
    """

    def __init__(self, parts: Sequence[tuple[ImageTask, str, np.ndarray]]) -> None:
        found = [(task, task.examples(split), index) for task, split, index in parts]
        self._images = np.concatenate([data.images[index] for _, data, index in found])
        self._heads = [task.head for task, _, _ in found]
        self._labels = [data.labels[index] for _, data, index in found]
        self._families = [np.asarray(data.family)[index] for _, data, index in found]

    def __len__(self) -> int:
        return len(self._images)

    def predict(self, runner: Runner, pause: Pause | None = None) -> list[Outcomes]:
        """Classify all images and return the outcomes task by task."""
        features = backbone_features(runner, self._images, pause)
        outcomes, start = [], 0
        for head, labels, family in zip(self._heads, self._labels, self._families, strict=True):
            stop = start + len(labels)
            guess = head_logits(features[start:stop], head).argmax(1).numpy()
            right = (guess == labels).astype(np.float64)
            outcomes.append(Outcomes(right, np.ones_like(right), family))
            start = stop
        return outcomes


def to_input(images: np.ndarray) -> Tensor:
    """Turn uint8 images (n, 28, 28) into the model's input (n, 1, 28, 28)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
    return pixels.sub_(SHIFT).div_(SPREAD)[:, None]


def backbone_features(runner: Runner, images: np.ndarray, pause: Pause | None = None) -> Tensor:
    """Average the patch tokens of the last layer, in chunks of 64; the class token is left out."""
    if runner.module.config.model_type != "vit":
        raise TaskError(
            f"{runner.label}: the zoo's image tasks need a ViT.", "Choose experts of the zoo."
        )
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), CHUNK):
            if pause is not None:
                pause(start)
            pixels = to_input(images[start : start + CHUNK])
            hidden = runner.module(pixel_values=pixels).last_hidden_state  # (n, 17, hidden)
            parts.append(hidden[:, 1:].mean(1))
        return torch.cat(parts)

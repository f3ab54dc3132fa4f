"""Images in a folder of classes: how often a model's image classification head is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merger.errors import TaskError
from merger.layout import model_config
from merger.lru import Lru
from merger.naming import quiet_transformers
from merger.runner import Runner
from merger.tasks.base import Pause
from merger.tasks.batches import MAX_WORK
from merger.tasks.choosing import ChoosingTask
from merger.tasks.image_files import ImageFiles, Pictures, open_image
from merger.tasks.labels import classes_of, match_labels

HEADS = ("ForImageClassification",)
PROCESSOR = "preprocessor_config.json"
MAX_BATCH = 16
PIXELS: Lru[Tensor] = Lru(256 << 20, lambda pixels: pixels.numel() * 4)
# What stands for the tokens of an image in the estimate of work: a ViT's 14 × 14 patches.
PATCHES = 196


@dataclass(frozen=True)
class ImageFolderTask(ChoosingTask):
    """Accuracy of an image classification head on a folder of classes.

    Images go through the model's own preprocessor; subfolders are matched with `id2label`.

    Args:
        title: How the task is called on screen.
        files: The images.
        model_folder: Folder of the base, for its config and preprocessor.
    """

    title: str
    files: ImageFiles
    model_folder: Path

    @property
    def name(self) -> str:
        """The task's name: `images:` and the title."""
        return f"images:{self.title}"

    @property
    def splits(self) -> Mapping[str, int]:
        """Number of images by split; raises TaskError where the classes do not fit the model."""
        _ = self.right, self._processor
        return self.files.sizes

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the head's classes."""
        return classes_of(model_config(self.model_folder), self.model_folder.name)

    @cached_property
    def right(self) -> Mapping[str, int]:
        """Which class each subfolder means."""
        return match_labels(
            self.files.labels, self.classes, self.files.folder.name, self.model_folder.name
        )

    @property
    def about(self) -> str:
        """What is counted, and on which images."""
        return (
            f"share of images whose folder is the class that the head chooses; "
            f"{self.files.about}; prepared as {PROCESSOR} of {self.model_folder.name} says."
        )

    @property
    def content(self) -> str:
        """Digest of the images, of the classes' names and of the preprocessor."""
        return self._content

    @cached_property
    def _content(self) -> str:
        path = self.model_folder / PROCESSOR
        steps = path.read_bytes() if path.is_file() else b""
        mark = hashlib.blake2b(steps, digest_size=16)
        mark.update(repr((self.files.content, self.classes)).encode())
        return mark.hexdigest()

    def examples(self, split: str) -> Pictures:
        """Return the images of a split."""
        return self.files.split(split)

    def choose(
        self, runner: Runner, split: str, index: np.ndarray, pause: Pause | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the class with the largest logit for some images, and how likely each is."""
        if not runner.label.endswith(HEADS):
            raise TaskError(
                f"{runner.label}: classes need an image classification head.",
                "Choose a model whose config.json names a …ForImageClassification.",
            )
        work = int(MAX_WORK // max(1, runner.parameters * PATCHES))
        chunk = max(1, min(MAX_BATCH, work))
        chances = [np.empty((0, len(self.classes)))]
        with torch.inference_mode():
            for start in range(0, len(index), chunk):
                if pause is not None:
                    pause(start)
                part = [self._pixels(split, int(i)) for i in index[start : start + chunk]]
                logits = runner.module(pixel_values=torch.stack(part)).logits  # (n, classes)
                chances.append(logits.double().softmax(-1).numpy())
        every = np.concatenate(chances)
        return every.argmax(1), every

    def _pixels(self, split: str, i: int) -> Tensor:
        path = self.files.split(split).paths[i]
        return PIXELS.get_or_make((self.content, split, i), lambda: self._prepare(path))

    def _prepare(self, path: Path) -> Tensor:
        found = self._processor(images=[open_image(path)], return_tensors="pt")
        return found["pixel_values"][0].float()

    @cached_property
    def _processor(self) -> Any:
        if not (self.model_folder / PROCESSOR).is_file():
            raise TaskError(
                f"{self.model_folder.name}: images need its {PROCESSOR}.",
                "Copy the file from where the model comes from.",
            )
        from transformers import AutoImageProcessor  # noqa: PLC0415  (seconds to import)

        quiet_transformers()
        try:
            # Pillow everywhere: other backends resize otherwise, and scores would differ by it.
            return AutoImageProcessor.from_pretrained(
                str(self.model_folder),
                local_files_only=True,
                trust_remote_code=False,
                backend="pil",
            )
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise TaskError(
                f"{self.model_folder.name}: {PROCESSOR} names no image processor that "
                "transformers has.",
                "Correct its image_processor_type.",
            ) from error

"""Fixed exemplar heads: what a task's labels mean to the base model, never trained."""

from __future__ import annotations

import numpy as np
import torch
from transformers import ViTModel

from merger.zoo.head import Head, head_logits
from merger.zoo.model import all_features

N_UNLABELLED, N_EXEMPLARS = 300, 2


def make_head(base: ViTModel, images: np.ndarray, labels: np.ndarray) -> Head:
    """Read a head off the base: statistics of unlabelled images, directions of two exemplars."""
    seen = all_features(base, images[:N_UNLABELLED])
    mu, sd = seen.mean(0), seen.std(0).clamp_min(1e-6)
    vectors = []
    for label in range(int(labels.max()) + 1):
        picked = np.flatnonzero(labels == label)[:N_EXEMPLARS]
        scores = (all_features(base, images[picked]) - mu) / sd
        vectors.append(torch.nn.functional.normalize(scores, dim=1).mean(0))
    stacked = torch.stack(vectors)
    centred = stacked - stacked.mean(0)
    return Head(mu, sd, torch.nn.functional.normalize(centred, dim=1))


def count_right(model: ViTModel, head: Head, images: np.ndarray, labels: np.ndarray) -> int:
    """Count the images that the model gets right."""
    return int(is_right(model, head, images, labels).sum())


def is_right(model: ViTModel, head: Head, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Say for every image whether the model gets it right."""
    return head_logits(all_features(model, images), head).argmax(1).numpy() == labels

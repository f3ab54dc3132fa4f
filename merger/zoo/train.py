"""Train one expert: the whole backbone on one task, its head fixed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import ViTModel

from merger.zoo.data import Split
from merger.zoo.head import Head, head_logits
from merger.zoo.model import features, to_input

State = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """Everything that decides an expert, beside the base, the images and the seed."""

    steps: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512, 900)
    batch: int = 32
    lr: float = 1.5e-4
    weight_decay: float = 0.01
    warmup: int = 30
    noise: float = 0.05


def flip_labels(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the images another class, uniformly; returns labels and flags."""
    rng = np.random.default_rng([seed, 31])
    classes = int(labels.max()) + 1
    flagged = np.zeros(len(labels), bool)
    flagged[rng.permutation(len(labels))[: round(share * len(labels))]] = True
    offset = rng.integers(1, classes, len(labels))
    return np.where(flagged, (labels + offset) % classes, labels), flagged


def train_expert(
    base: ViTModel,
    head: Head,
    train: Split,
    settings: ExpertSettings,
    seed: int,
    keep: Callable[[int, ViTModel], None],
) -> None:
    """Fine-tune a copy of the base; `keep` sees the model at every checkpoint step."""
    torch.manual_seed(seed)
    model = copy.deepcopy(base).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("pooler" not in name)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, settings.lr, weight_decay=settings.weight_decay)
    labels = torch.from_numpy(flip_labels(train.labels, settings.noise, seed)[0])
    pixels = to_input(train.images)
    order = _batches(len(train), settings.batch, settings.steps[-1], seed)
    for step, picked in enumerate(order, start=1):
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * min(1.0, step / settings.warmup)
        logits = head_logits(features(model, pixels[picked]), head)
        loss = nn.functional.cross_entropy(logits, labels[picked])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        if step in settings.steps:
            keep(step, model)


def _batches(n: int, batch: int, steps: int, seed: int) -> list[torch.Tensor]:
    """Shuffle once an epoch and cut into batches; a short rest is dropped."""
    rng = np.random.default_rng([seed, 32])
    per_epoch = max(1, n // batch)
    batches: list[torch.Tensor] = []
    while len(batches) < steps:
        order = torch.from_numpy(rng.permutation(n))
        batches += [order[i * batch : (i + 1) * batch] for i in range(per_epoch)]
    return batches[:steps]

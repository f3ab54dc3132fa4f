"""Train the base: glyphs of scripts that no task uses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import ViTConfig, ViTModel

from merger.zoo.fonts import Font, Glyphs, render
from merger.zoo.model import all_features, features, make_model, to_input
from merger.zoo.scripts import CLASSES


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """Everything that decides the base, beside the images and the seed."""

    steps: int = 2753
    batch: int = 96
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: int = 150
    smoothing: float = 0.05
    per_class: int = 300


def base_glyphs(fonts: list[Font], sides: dict[str, str], per_class: int, seed: int) -> Glyphs:
    """Draw the pretraining images, from families that are on the train side only."""
    return render([f for f in fonts if sides[f.family] == "train"], [*CLASSES], per_class, seed)


def train_base(
    glyphs: Glyphs,
    config: ViTConfig,
    settings: PretrainSettings,
    seed: int,
    note: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[ViTModel, float]:
    """Train from nothing; returns the model and its accuracy on held-out drawings."""
    model = make_model(config, seed)
    head = nn.Linear(config.hidden_size, int(glyphs.labels.max()) + 1)
    weights = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, settings.lr, settings.betas, weight_decay=settings.weight_decay
    )
    held = len(glyphs.labels) // 40
    rng = np.random.default_rng([seed, 21])
    chance = _class_weights(glyphs.labels[held:])
    model.train()
    for step in range(settings.steps):
        picked = held + rng.choice(len(chance), settings.batch, p=chance)
        pixels = augment(glyphs.images[picked], rng)
        target = torch.from_numpy(glyphs.labels[picked])
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * _pace(step, settings)
        logits = head(features(model, pixels))
        loss = nn.functional.cross_entropy(logits, target, label_smoothing=settings.smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        note(step + 1, loss.item())
    with torch.inference_mode():
        guess = head(all_features(model, glyphs.images[:held])).argmax(1).numpy()
    return model, float((guess == glyphs.labels[:held]).mean())


def augment(images: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
    """Shift, change contrast, add noise, and invert a quarter of the batch."""
    n = len(images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    rows = rng.integers(0, 5, n)[:, None] + np.arange(28)
    columns = rng.integers(0, 5, n)[:, None] + np.arange(28)
    moved = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    grey = moved.astype(np.float32) / 255 * rng.uniform(0.6, 1.2, (n, 1, 1))
    grey += rng.normal(0, 1, grey.shape) * 0.25 * rng.uniform(0, 1, (n, 1, 1))
    grey = np.clip(grey, 0, 1)
    grey[: n // 4] = 1 - grey[: n // 4]
    return to_input(grey.astype(np.float32) * 255)


def _class_weights(labels: np.ndarray) -> np.ndarray:
    """Weigh images by the inverse square root of their class's size."""
    size = np.bincount(labels).astype(np.float64)
    chance = size[labels] ** -0.5
    return chance / chance.sum()


def _pace(step: int, settings: PretrainSettings) -> float:
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))

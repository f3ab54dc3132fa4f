"""Tiny models with classification heads for tests, saved the way transformers saves real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.utils import logging

from tests.builders import byte_tokenizer

MOODS = {0: "negative", 1: "positive", 2: "mixed"}
SHAPES = {0: "dark", 1: "light"}
PIXELS = 8


def save_text_head(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """Save a tiny BERT that chooses one of three moods, with a byte tokenizer."""
    config = BertConfig(
        **{
            "vocab_size": 258,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 48,
            "id2label": MOODS,
            "label2id": {name: i for i, name in MOODS.items()},
        }
        | settings
    )
    _save(BertForSequenceClassification, config, folder, seed)
    byte_tokenizer().save_pretrained(folder)
    return folder


def save_image_head(folder: Path, seed: int = 0, **settings: Any) -> Path:
    """Save a tiny ViT that tells dark from light, with its preprocessor."""
    config = ViTConfig(
        **{
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "image_size": PIXELS,
            "patch_size": 4,
            "id2label": SHAPES,
            "label2id": {name: i for i, name in SHAPES.items()},
        }
        | settings
    )
    _save(ViTForImageClassification, config, folder, seed)
    steps = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "rescale_factor": 1 / 255,
        "resample": 2,
        "size": {"height": PIXELS, "width": PIXELS},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(steps), "utf-8")
    return folder


def save_pictures(folder: Path, count: int = 12, seed: int = 0) -> Path:
    """Save pictures of noise around two brightnesses, one subfolder a class."""
    rng = np.random.default_rng(seed)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.clip(level + rng.normal(0, 30, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def _save(kind: Any, config: Any, folder: Path, seed: int) -> None:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind(config).save_pretrained(folder)
    if shown:
        logging.enable_progress_bar()
